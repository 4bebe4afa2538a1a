# The image of every worker and of `setup`: `docker run ... credit-movements:0.1.0 rate|sink|export|setup`.
# The Python is of the version that the tests run on. A tag can be moved: whoever builds for production pins the digest that
# their own registry shows for it (`FROM python:...@sha256:...`, both stages), which could not be looked up where this was written.
FROM python:3.11.15-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY constraints-build.txt constraints-production.txt ./
# What builds stays in this stage; what runs goes into a virtual environment, the one thing that leaves it.
RUN pip install --require-hashes --only-binary :all: --requirement constraints-build.txt \
    && python -m venv --without-pip /opt/credit-movements \
    && pip --python /opt/credit-movements/bin/python install \
        --require-hashes --only-binary :all: --requirement constraints-production.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY kafka_io kafka_io
COPY streams streams
COPY sinks sinks
COPY exporter exporter
COPY credit_movements credit_movements
RUN pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
    && pip --python /opt/credit-movements/bin/python install --no-deps --no-index wheels/*.whl

FROM python:3.11.15-slim-trixie
LABEL org.opencontainers.image.title="credit-movements" \
      org.opencontainers.image.description="Rates usage into credit movements, keeps them in ClickHouse, exports them" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11.15-slim-trixie"
# The base comes with what installs packages; nothing here needs it, and who breaks in could use it.
RUN python -m pip uninstall --yes pip setuptools wheel \
    && groupadd --gid 10001 credit-movements \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/credit-movements credit-movements \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/credit-movements
COPY --from=build /opt/credit-movements /opt/credit-movements
COPY deploy/probe.py /opt/credit-movements/probe.py
# Nothing is written but to the data folder and /tmp, so the root can be read-only.
ENV PATH=/opt/credit-movements/bin:$PATH CREDIT_DATA_DIR=/var/lib/credit-movements PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
VOLUME /var/lib/credit-movements
EXPOSE 18080 18082 18083 18085
# A worker finishes what it holds within 15 s of it.
STOPSIGNAL SIGTERM
# Whether it lives, not whether it is ready: what waits for a server must not be killed for it.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=6 \
    CMD ["python", "/opt/credit-movements/probe.py", "healthz"]
ENTRYPOINT ["credit-movements"]
