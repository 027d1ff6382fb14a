# srgrid with its workflow, as the versions of requirements.lock have it, for a user without rights.
#
#   docker build -t srgrid .                                                            PyTorch with CUDA
#   docker build -t srgrid --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .   for CPUs alone
FROM python:3.11-slim AS build
ARG TORCH_INDEX=""
WORKDIR /source
COPY requirements.lock .
RUN python -m venv /srgrid \
 && torch=$(grep '^torch==' requirements.lock) \
 && if [ -n "$TORCH_INDEX" ]; then /srgrid/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" "$torch"; fi \
 && /srgrid/bin/pip install --no-cache-dir --no-deps -r requirements.lock \
 && /srgrid/bin/pip install --no-cache-dir "$torch"
COPY . .
RUN /srgrid/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 srgrid
COPY --from=build /srgrid /srgrid
ENV PATH=/srgrid/bin:$PATH
USER srgrid
WORKDIR /home/srgrid
CMD ["srgrid", "--help"]
