// Comfort for a page that works without any script. Each part looks for what it helps with, and does nothing without it.
import { helpForm } from "./form.js";
import { helpFilters } from "./filters.js";
import { helpHeat } from "./heat.js";
import { helpKeys } from "./keys.js";
import { helpPictures } from "./pictures.js";

helpForm();
helpFilters();
helpHeat();
helpKeys();
helpPictures();
