# docker build -t clipbio .        See docs/containers.md.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1 VIRTUAL_ENV=/opt/clipbio
RUN uv venv /opt/clipbio
WORKDIR /src
COPY requirements.lock .
# What is pinned runs on CPUs and on GPUs. Another index brings other builds of the same versions of torch and torchvision,
# such as those for CPUs alone, which are smaller, or those of another CUDA; everything else stays pinned by hash.
ARG TORCH_INDEX=""
RUN if [ -z "$TORCH_INDEX" ]; then uv pip sync --require-hashes requirements.lock; \
    else awk '/^[a-z]/ {keep = !/^(torch|torchvision|triton)==|^(nvidia|cuda)-/ || /^nvidia-ml-py==/} keep' \
             requirements.lock > others.lock \
        && uv pip sync --require-hashes others.lock \
        && uv pip install --index-url "$TORCH_INDEX" $(grep -oE '^(torch|torchvision)==[0-9.]+' requirements.lock); \
    fi
COPY pyproject.toml README.md LICENSE ./
COPY clipbio clipbio
COPY conf conf
COPY hydra_plugins hydra_plugins
RUN uv pip install --no-deps .

FROM python:${PYTHON}-slim
COPY --from=build /opt/clipbio /opt/clipbio
ENV PATH=/opt/clipbio/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --uid 1000 --create-home clipbio && install --directory --owner=clipbio /work
USER clipbio
WORKDIR /work
ENTRYPOINT ["clipbio"]
CMD ["--help"]
