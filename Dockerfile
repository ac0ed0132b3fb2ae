# The runtime image: Debian's Python, the locked packages, the server. Arguments and reasons: docs/images.md.
#
#   docker build -t tensorflow-serving-appliance:cpu .
#
# Classic syntax (no RUN --mount, no heredocs): any Docker engine builds it. Behind a proxy give a base image of your own,
# whose environment (PIP_*, SSL_CERT_FILE) the steps see.
ARG BASE_IMAGE=debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171
# An image with a TensorFlow wheel and its build.json in /wheels, as Dockerfile.devel makes it; none for the index's wheel.
ARG TF_SERVING_BUILD_IMAGE
FROM ${BASE_IMAGE} AS base

RUN set -eux; \
	apt-get update; \
	apt-get install -y --no-install-recommends \
		# for whoever adds a certificate to the image, and for tools run in it
		ca-certificates \
		python3 \
	; \
	# 80 MB of caches, and what only `help()` and Python's own tests read
	apt-get clean; \
	rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/* \
		/usr/lib/python3*/pydoc_data /usr/lib/python3*/test /usr/share/doc/*/NEWS*; \
	python3 -c 'import ssl, sqlite3, xml.etree'


# No wheel, but what that of the package index asks of a CPU. Not from scratch, which classic builds take for x86-64 always.
FROM base AS portable
COPY build/images/portable /wheels


FROM ${TF_SERVING_BUILD_IMAGE:-portable} AS wheels


FROM base AS dependencies

# /opt/build has pip and the build backend and is left behind; /opt/serving is what the image gets.
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

# cpu, or gpu for the wheels with CUDA.
ARG VARIANT=cpu
# keras, stores, tracing, or several of them.
ARG EXTRAS=""
COPY requirements.lock requirements-gpu.lock requirements-stores.lock requirements-tracing.lock build/images/install-packages.sh build/images/slim-packages.sh /tmp/
COPY --from=wheels /wheels /wheels
RUN set -eux; \
	case "$VARIANT" in gpu*) lock=requirements-gpu.lock ;; *) lock=requirements.lock ;; esac; \
	/tmp/install-packages.sh "/tmp/$lock" /wheels /opt/build/bin/pip --python /opt/serving/bin/python; \
	for extra in $EXTRAS; do \
		# in either lock already, for TensorFlow names it
		test "$extra" != keras || continue; \
		/opt/build/bin/pip --python /opt/serving/bin/python install --no-cache-dir --no-compile \
			--require-hashes --only-binary :all: -r "/tmp/requirements-$extra.lock"; \
	done; \
	test -e /wheels/build.json || cp "/wheels/$(uname -m).json" /wheels/build.json; \
	install -m 0644 /wheels/build.json /opt/serving/build.json; \
	# 1.5 GB become 0.9; in this step, for a layer keeps what a later one deletes
	/tmp/slim-packages.sh /opt/serving /opt/build/bin/pip --python /opt/serving/bin/python; \
	cd /opt/serving/lib/python3*/site-packages; \
	# Bytecode now, for the file system may be read-only later; unchecked, for its source cannot change.
	/opt/serving/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash .; \
	/opt/serving/bin/python -c 'import aiohttp, grpc, numpy, orjson, simdjson, tensorflow, uvloop; \
		from tensorflow.python.tools import saved_model_cli; print(tensorflow.reduce_sum([[1.0]]))'; \
	case " $EXTRAS " in *' tracing '*) \
		/opt/serving/bin/python -c 'from opentelemetry.sdk.trace import TracerProvider; \
			from opentelemetry.exporter.otlp.proto import grpc, http; print(TracerProvider().resource.attributes)' ;; \
	esac; \
	case " $EXTRAS " in *' stores '*) /opt/serving/bin/python -c 'import adlfs, gcsfs, s3fs' ;; esac; \
	case " $EXTRAS " in *' keras '*) /opt/serving/bin/python -c 'import keras; print(keras.ops.ones(1))' ;; esac


FROM dependencies AS package

COPY build/images/build-backend.lock /tmp/build-backend.lock
RUN set -eux; \
	/opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /tmp/build-backend.lock; \
	/opt/build/bin/python -c 'import hatchling.build'

# Below /package as well, so that our files become a layer of their own.
COPY pyproject.toml LICENSE /src/
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
	getent passwd 65532 || echo 'serving:x:65532:65532:TensorFlow Serving appliance:/tmp:/usr/sbin/nologin' >>/etc/passwd; \
	getent group 65532 || echo 'serving:x:65532:' >>/etc/group; \
	chmod 0755 /usr/bin/tf_serving_*; \
	ln -s /opt/serving/bin/tensorflow_model_server /usr/bin/tensorflow_model_server; \
	/usr/bin/tf_serving_entrypoint.sh true; \
	bash -n /usr/bin/tf_serving_healthcheck; \
	# the image may be for another CPU than the one that builds it
	SERVING_CPU_CHECK=off /usr/bin/tf_serving_check_cpu
# TensorFlow asks for CUDA's libraries by name, and each has a directory of its own. The driver's come from the host.
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
	# a --user without an account has no other home
	HOME=/tmp \
	TMPDIR=/tmp

EXPOSE 8500 8501

STOPSIGNAL SIGTERM

# The probe waits while models load, hence the timeout: "starting" for a large model, "unhealthy" soon for a missing one.
HEALTHCHECK --interval=5s --timeout=10m --start-period=20s --retries=3 CMD ["/usr/bin/tf_serving_healthcheck", "--wait"]

ENTRYPOINT ["/usr/bin/tf_serving_entrypoint.sh"]

# By number, so that an orchestrator sees that it is not root; its name is serving. Any other --user works.
USER 65532:65532
RUN set -eux; \
	test "$(id -u)" != 0; \
	tensorflow_model_server --version

# Last, for they change most often. CPU_FEATURES is what TensorFlow was compiled for; a wheel of one's own says it itself, and
# the package index has one for either kind of CPU, which a label cannot tell apart without BuildKit.
ARG VERSION=0.2.0
ARG REVISION=unknown
ARG CREATED=""
ARG SOURCE=""
ARG BASE_IMAGE
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
	org.opencontainers.image.created="${CREATED}" \
	org.opencontainers.image.base.name="${BASE_IMAGE}" \
	# for SageMaker: a port of its choice, several models
	com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true" \
	com.amazonaws.sagemaker.capabilities.multi-models="true" \
	serving.variant="${VARIANT}" \
	serving.extras="${EXTRAS}" \
	serving.cpu-features="${CPU_FEATURES:-x86_64: avx pni popcnt sse4_1 sse4_2 ssse3; aarch64: asimd}"
