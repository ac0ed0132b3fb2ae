# The slim runtime image: Debian's Python, the locked dependencies, the server. Nothing is compiled here; Dockerfile.devel
# does that. Classic syntax only (no RUN --mount, no heredocs), so that any Docker engine builds it without BuildKit.
#
#   docker build -t tensorflow-serving-appliance:cpu .
#
# Behind a proxy, or without a registry, give a base image of your own. Its environment (PIP_*, SSL_CERT_FILE, proxies)
# is what the steps below see; build/pins.toml says where the default comes from.
ARG BASE_IMAGE=debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171
FROM ${BASE_IMAGE} AS base

RUN set -eux; \
	apt-get update; \
	apt-get install -y --no-install-recommends \
		# for whoever adds a certificate to the image, and for tools run in it
		ca-certificates \
		python3 \
	; \
	rm -rf /var/lib/apt/lists/*; \
	python3 --version


FROM base AS dependencies

# Two environments: /opt/build has pip and the build backend and is left behind, /opt/serving has neither.
RUN set -eux; \
	apt-get update; \
	apt-get install -y --no-install-recommends python3-venv; \
	rm -rf /var/lib/apt/lists/*; \
	python3 -m venv /opt/build; \
	python3 -m venv --without-pip /opt/serving; \
	/opt/build/bin/pip --python /opt/serving/bin/python list

COPY requirements.lock /tmp/requirements.lock
RUN set -eux; \
	/opt/build/bin/pip --python /opt/serving/bin/python install \
		--no-cache-dir --no-compile --require-hashes --only-binary :all: -r /tmp/requirements.lock; \
	cd /opt/serving/lib/python3*/site-packages; \
	# headers for writing custom operations, 290 MB, and the packages' own tests
	rm -r tensorflow/include; \
	find . -type d -name tests -prune -exec rm -r '{}' +; \
	# The root file system may be read-only and belongs to another user, so bytecode is made now. It is never checked
	# against its source, which cannot change.
	/opt/serving/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash .; \
	/opt/serving/bin/python -c 'import aiohttp, grpc, numpy, orjson, simdjson, tensorflow, uvloop'


FROM dependencies AS package

COPY build/images/build-backend.lock /tmp/build-backend.lock
RUN set -eux; \
	/opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /tmp/build-backend.lock; \
	/opt/build/bin/python -c 'import hatchling.build'

# Installed below /package as well, so that the runtime stage takes our files as a layer of their own.
COPY pyproject.toml README.md LICENSE /src/
COPY serving /src/serving
RUN set -eux; \
	/opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel /src; \
	# /package first: pip would leave out a second copy of what the environment has
	for root in /package /; do \
		/opt/build/bin/pip --python /opt/serving/bin/python install \
			--no-deps --no-index --no-compile --root "$root" /tmp/wheel/*.whl; \
	done; \
	/opt/serving/bin/python -m compileall -q --invalidation-mode unchecked-hash \
		-s /package -p / /package/opt/serving/lib/python3*/site-packages; \
	test -x /package/opt/serving/bin/tensorflow_model_server; \
	/opt/serving/bin/python -c 'import serving.server'; \
	/opt/serving/bin/tensorflow_model_server --version


FROM base AS runtime

COPY --from=dependencies /opt/serving /opt/serving
COPY build/images/entrypoint.sh /usr/bin/tf_serving_entrypoint.sh
COPY build/images/healthcheck /usr/bin/tf_serving_healthcheck
RUN set -eux; \
	mkdir /models; \
	chmod 0755 /usr/bin/tf_serving_entrypoint.sh /usr/bin/tf_serving_healthcheck; \
	ln -s /opt/serving/bin/tensorflow_model_server /usr/bin/tensorflow_model_server; \
	bash -n /usr/bin/tf_serving_entrypoint.sh; \
	bash -n /usr/bin/tf_serving_healthcheck
COPY --from=package /package/opt/serving /opt/serving

ENV MODEL_BASE_PATH=/models \
	MODEL_NAME=model \
	PATH=/opt/serving/bin:$PATH \
	PYTHONDONTWRITEBYTECODE=1 \
	PYTHONUNBUFFERED=1 \
	# The one place that is written to, and only by tools that want to; a --user without an account has no other home.
	HOME=/tmp \
	TMPDIR=/tmp

EXPOSE 8500 8501

# SIGTERM: the server stops taking requests, answers those it has, and exits.
STOPSIGNAL SIGTERM

# A large model may load for minutes; only after the start period does a failing probe count.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10m --retries=3 CMD ["/usr/bin/tf_serving_healthcheck"]

ENTRYPOINT ["/usr/bin/tf_serving_entrypoint.sh"]

# A number and no name: an orchestrator can then tell that it is not root. Any other --user works as well.
USER 65532:65532
RUN set -eux; \
	test "$(id -u)" != 0; \
	tensorflow_model_server --version

# Last, for they change most often. VERSION is held equal to serving/__init__.py by a test. CPU_FEATURES is what the
# TensorFlow inside was compiled for: the tensorflow-cpu wheel asks for no more than these.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=""
ARG VARIANT=cpu
ARG CPU_FEATURES="sse3 ssse3 sse4.1 sse4.2 avx"
LABEL org.opencontainers.image.title="tensorflow-serving-appliance" \
	org.opencontainers.image.description="A drop-in for tensorflow/serving: same flags, same wire, same image contract" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.source="${SOURCE}" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}" \
	serving.variant="${VARIANT}" \
	serving.cpu-features="${CPU_FEATURES}"
