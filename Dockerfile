# srgrid with its workflow, in the versions of requirements.lock, for a user without rights.
#
#   docker build -t srgrid .                                                            PyTorch with CUDA
#   docker build -t srgrid --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .   for CPUs alone
#
# MORE names further packages: extras of pyproject.toml (docs/install.md), or what your cluster asks for, such as
# --build-arg MORE="srgrid[onnx,zoo] snakemake-storage-plugin-s3". Where they ask for other versions, theirs are taken.
FROM python:3.11-slim AS build
ARG TORCH_INDEX=""
WORKDIR /source
COPY requirements.lock pyproject.toml .
RUN python -m venv /srgrid \
 && python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > needed \
 && if [ -n "$TORCH_INDEX" ]; then /srgrid/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" $(grep '^torch==' requirements.lock); fi \
 && /srgrid/bin/pip install --no-cache-dir --constraint requirements.lock --requirement needed
COPY . .
ARG MORE=""
RUN /srgrid/bin/pip install --no-cache-dir . $MORE

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 srgrid
COPY --from=build /srgrid /srgrid
ENV PATH=/srgrid/bin:$PATH
USER srgrid
WORKDIR /home/srgrid
CMD ["srgrid", "--help"]
