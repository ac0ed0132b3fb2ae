# The slim runtime image: Debian's Python, the locked dependencies, the server. Nothing is compiled here; Dockerfile.devel
# does that. Classic syntax only (no RUN --mount, no heredocs), so that any Docker engine builds it without BuildKit.
#
#   docker build -t tensorflow-serving-appliance:cpu .
#
# Behind a proxy, or without a registry, give a base image of your own. Its environment (PIP_*, SSL_CERT_FILE, proxies)
# is what the steps below see; build/pins.toml says where the default comes from.
ARG BASE_IMAGE=debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171
# An image that has a TensorFlow wheel and its build.json in /wheels, as Dockerfile.devel makes it. Without one the wheel
# comes from the package index.
ARG TF_SERVING_BUILD_IMAGE
FROM ${BASE_IMAGE} AS base

RUN set -eux; \
	apt-get update; \
	apt-get install -y --no-install-recommends \
		# for whoever adds a certificate to the image, and for tools run in it
		ca-certificates \
		python3 \
	; \
	# what the package manager leaves behind, 80 MB of it, and what only `help()` and Python's own tests read
	apt-get clean; \
	rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/* \
		/usr/lib/python3*/pydoc_data /usr/lib/python3*/test /usr/share/doc/*/NEWS*; \
	python3 -c 'import ssl, sqlite3, xml.etree'


# What the package index's own wheel asks of a CPU, and no wheel.
FROM scratch AS portable
COPY build/images/portable /wheels


FROM ${TF_SERVING_BUILD_IMAGE:-portable} AS wheels


FROM base AS dependencies

# Two environments: /opt/build has pip and the build backend and is left behind, /opt/serving has neither.
RUN set -eux; \
	apt-get update; \
	apt-get install -y --no-install-recommends \
		# for strip, below
		binutils \
		python3-venv \
	; \
	rm -rf /var/lib/apt/lists/*; \
	python3 -m venv /opt/build; \
	python3 -m venv --without-pip /opt/serving; \
	/opt/build/bin/pip --python /opt/serving/bin/python list

# cpu; or gpu, for the wheels with CUDA: docker build --build-arg VARIANT=gpu -t tensorflow-serving-appliance:gpu .
ARG VARIANT=cpu
# Extras that are left out unless they are asked for: keras, tracing.
ARG EXTRAS=""
COPY requirements.lock requirements-gpu.lock requirements-tracing.lock build/images/install-packages.sh build/images/slim-packages.sh /tmp/
COPY --from=wheels /wheels /wheels
RUN set -eux; \
	case "$VARIANT" in gpu*) lock=requirements-gpu.lock ;; *) lock=requirements.lock ;; esac; \
	/tmp/install-packages.sh "/tmp/$lock" /wheels /opt/build/bin/pip --python /opt/serving/bin/python; \
	for extra in $EXTRAS; do \
		# what Keras needs is in either lock, for TensorFlow names it
		test "$extra" != keras || continue; \
		/opt/build/bin/pip --python /opt/serving/bin/python install --no-cache-dir --no-compile \
			--require-hashes --only-binary :all: -r "/tmp/requirements-$extra.lock"; \
	done; \
	# what the TensorFlow inside was compiled for
	test -e /wheels/build.json || cp "/wheels/$(uname -m).json" /wheels/build.json; \
	install -m 0644 /wheels/build.json /opt/serving/build.json; \
	# 1.5 GB become 0.9; in the same step, for a layer keeps what a later one deletes
	/tmp/slim-packages.sh /opt/serving /opt/build/bin/pip --python /opt/serving/bin/python; \
	cd /opt/serving/lib/python3*/site-packages; \
	# The root file system may be read-only and belongs to another user, so bytecode is made now. It is never checked
	# against its source, which cannot change.
	/opt/serving/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash .; \
	/opt/serving/bin/python -c 'import aiohttp, grpc, numpy, orjson, simdjson, tensorflow, uvloop; \
		from tensorflow.python.tools import saved_model_cli; print(tensorflow.reduce_sum([[1.0]]))'; \
	case " $EXTRAS " in *' tracing '*) \
		/opt/serving/bin/python -c 'from opentelemetry.sdk.trace import TracerProvider; \
			from opentelemetry.exporter.otlp.proto import grpc, http; print(TracerProvider().resource.attributes)' ;; \
	esac; \
	case " $EXTRAS " in *' keras '*) /opt/serving/bin/python -c 'import keras; print(keras.ops.ones(1))' ;; esac


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
COPY build/images/check-cpu /usr/bin/tf_serving_check_cpu
RUN set -eux; \
	mkdir /models; \
	chmod 0755 /usr/bin/tf_serving_*; \
	ln -s /opt/serving/bin/tensorflow_model_server /usr/bin/tensorflow_model_server; \
	/usr/bin/tf_serving_entrypoint.sh true; \
	bash -n /usr/bin/tf_serving_healthcheck; \
	# does not try the CPU of the machine that builds: the image may be for another
	SERVING_CPU_CHECK=off /usr/bin/tf_serving_check_cpu
# CUDA's libraries, if they are here, each in a directory of its own; TensorFlow asks for them by name alone. The driver's
# libraries come from the host when the container is started with a GPU.
RUN set -eux; \
	find /opt/serving -path '*/site-packages/nvidia/*/lib' >/etc/ld.so.conf.d/nvidia-wheels.conf; \
	ldconfig; \
	[ ! -s /etc/ld.so.conf.d/nvidia-wheels.conf ] || ldconfig -p | grep -q libcudart
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

# While a model loads the probe waits, hence its timeout: the container is "starting", however large the model. Whatever else
# is wrong, a MODEL_NAME of which there is no model among it, is "unhealthy" in half a minute.
HEALTHCHECK --interval=5s --timeout=10m --start-period=20s --retries=3 CMD ["/usr/bin/tf_serving_healthcheck", "--wait"]

ENTRYPOINT ["/usr/bin/tf_serving_entrypoint.sh"]

# A number and no name: an orchestrator can then tell that it is not root. Any other --user works as well.
USER 65532:65532
RUN set -eux; \
	test "$(id -u)" != 0; \
	tensorflow_model_server --version

# Last, for they change most often. VERSION is held equal to serving/__init__.py by a test. CPU_FEATURES is what the
# TensorFlow inside was compiled for; for a wheel of one's own nobody knows it here who does not say it.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=""
ARG VARIANT=cpu
ARG EXTRAS=""
ARG TF_SERVING_BUILD_IMAGE
ARG CPU_FEATURES="${TF_SERVING_BUILD_IMAGE:+see /opt/serving/build.json}"
LABEL org.opencontainers.image.title="tensorflow-serving-appliance" \
	org.opencontainers.image.description="A drop-in for tensorflow/serving: same flags, same wire, same image contract" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.source="${SOURCE}" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}" \
	# what SageMaker asks of an image before it gives it a port of its own, and several models
	com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true" \
	com.amazonaws.sagemaker.capabilities.multi-models="true" \
	serving.variant="${VARIANT}" \
	serving.extras="${EXTRAS}" \
	serving.cpu-features="${CPU_FEATURES:-avx pni popcnt sse4_1 sse4_2 ssse3}"
