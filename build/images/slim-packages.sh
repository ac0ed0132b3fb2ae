#!/usr/bin/env bash
# Takes out of the installed packages what the server, its optimiser and saved_model_cli do not use. `import tensorflow`
# goes on working. Runs in the build stage, with pip and binutils at hand; bytecode is compiled after it.
#
# usage: slim-packages.sh ENVIRONMENT PIP ...
#   ie: slim-packages.sh /opt/serving /opt/build/bin/pip --python /opt/serving/bin/python
set -Eeuo pipefail

# TensorFlow names these as its needs and does without: tools for building. OpenVINO's Python alone would report its use.
readonly UNUSED_PACKAGES=(libclang openvino-telemetry setuptools wheel)

# The same holds for Keras, which TensorFlow imports only if it is there, and what Keras alone needs. EXTRAS=keras keeps them.
readonly KERAS_PACKAGES=(h5py keras markdown-it-py mdurl namex optree pygments rich)

# What is kept of OpenVINO, by the beginnings of the names in openvino/libs: its core and C API, the plugin for this CPU, and
# what these load. Without the front end of its own format a cached model is passed over in silence and compiled anew.
readonly OPENVINO_LIBRARIES=(
	libhwloc libopenvino.so libopenvino_arm_cpu_plugin libopenvino_c.so libopenvino_intel_cpu_plugin libopenvino_ir_frontend
	libopenvino_tensorflow_frontend libtbb.so libtbbbind libtbbmalloc.so
)

# Parts of TensorFlow: MLIR for StableHLO tools; the registration of operations
# that libtensorflow_cc has as well; what aot_compile_cpu compiles; the library behind TensorFlow Lite in Python, for
# which the server has ai-edge-litert.
readonly UNUSED_FILES=(
	tensorflow/compiler/mlir/stablehlo
	tensorflow/compiler/tf2xla/ops/_xla_ops.so
	tensorflow/lite/python/libpywrap_tflite_common.so
	tensorflow/xla_aot_runtime_src
	numpy/_core/include
	numpy/distutils
	numpy/f2py
)

# Loaded by `import tensorflow`, used by nothing here: the client that asks a profiler service, and TensorFlow Lite.
readonly REPLACED_MODULES=(
	tensorflow/lite/python/_pywrap_analyzer_wrapper
	tensorflow/lite/python/_pywrap_modify_model_interface
	tensorflow/lite/python/_pywrap_string_util
	tensorflow/lite/python/_pywrap_tensorflow_interpreter_wrapper
	tensorflow/lite/python/_pywrap_tensorflow_lite_calibration_wrapper
	tensorflow/lite/python/_pywrap_tensorflow_lite_metrics_wrapper
	tensorflow/lite/python/format_converter_wrapper_pybind11
	tensorflow/lite/python/lib_pywrap_tflite_7_shared_object
	tensorflow/lite/python/pywrap_genai_ops
	tensorflow/python/profiler/internal/_pywrap_profiler_plugin
)

# takes out the headers for writing custom operations, 290 MB; licences of what is compiled in lie among them and stay
# usage: remove_headers
remove_headers() {
	find tensorflow/include ! -type d ! -iname 'licen[cs]e*' ! -iname 'copying*' ! -iname 'notice*' -delete
	find tensorflow/include -type d -empty -delete
}

# leaves of OpenVINO the libraries that the server loads and a package to find them by; nothing where it is not installed
# usage: keep_openvino_libraries
keep_openvino_libraries() {
	local name kept=()
	[ -d openvino/libs ] || return 0
	for name in "${OPENVINO_LIBRARIES[@]}"; do
		kept+=(! -name "$name*")
	done
	find openvino -mindepth 1 ! -type d ! -path 'openvino/libs/*' -delete
	find openvino/libs -type f "${kept[@]}" -delete
	find openvino -type d -empty -delete
	echo '"""The libraries of OpenVINO alone, for their C API; its Python is left out of this image."""' >openvino/__init__.py
	# these would start what is gone
	rm -f openvino-*.dist-info/entry_points.txt
}

# takes out what only a compiler, a type checker or a person reads, and packages' own tests
# usage: remove_kinds
remove_kinds() {
	find . -type d -name tests -prune -exec rm -r '{}' +
	find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.[ach]' -o -name '*.cc' \
		-o -name '*.cpp' -o -name '*.hpp' \) -delete
	# the lists of installed files, which are not true any more
	find . -path './*.dist-info/RECORD' -delete
}

# writes a module in the place of an extension module: it can be imported, and says what is missing when it is used
# usage: replace_module PATH_WITHOUT_SUFFIX
replace_module() {
	[ -e "$1.so" ] || return 0
	rm "$1.so"
	cat >"$1.py" <<-'PYTHON'
		"""In the place of an extension module that this image leaves out; whatever is used of it says so."""


		def __getattr__(name):
		    if name.startswith("__"):
		        raise AttributeError(name)

		    def left_out(*_, **__):
		        raise ImportError(f"{__name__} is left out of this image. Install TensorFlow elsewhere to use {name}.")

		    return left_out
	PYTHON
}

# prints what other libraries can link with
# usage: dynamic_symbols LIBRARY
dynamic_symbols() {
	nm --dynamic --defined-only --format=just-symbols "$1" | sort | sha256sum
}

# takes the symbols out of a library that only a debugger reads. Libraries that patchelf has rewritten do not survive
# that: the loader refuses them, and they stay as they were.
# usage: strip_library LIBRARY
strip_library() {
	local stripped=$1.stripped
	strip --strip-unneeded -o "$stripped" "$1"
	if ldd "$stripped" >/dev/null 2>&1; then
		[ "$(dynamic_symbols "$1")" = "$(dynamic_symbols "$stripped")" ] || {
			echo "error: $1 lost symbols that others link with" >&2
			return 1
		}
		chmod --reference="$1" "$stripped"
		mv "$stripped" "$1"
	else
		rm "$stripped"
	fi
}

# strips every library but those that wheels bring along from elsewhere: *.libs is patchelf's work, nvidia's are sealed,
# OpenVINO's are stripped already
# usage: strip_libraries
strip_libraries() {
	local library
	find . -type d \( -name '*.libs' -o -name nvidia -o -name openvino \) -prune -o -type f -name '*.so*' -print0 |
		while IFS= read -r -d '' library; do
			strip_library "$library"
		done
}

# keeps the bytecode alone, without its texts, of TensorFlow's machine-written wrappers of operations: 15 MB to 5 MB
# usage: drop_generated_sources PYTHON
drop_generated_sources() {
	local list
	list=$(mktemp)
	find tensorflow -type f -name 'gen_*.py' >"$list"
	"$1" -m compileall -q -b -o 2 --invalidation-mode unchecked-hash -i "$list"
	xargs -r -d '\n' rm <"$list"
	rm "$list"
}

# leaves Python, the server and saved_model_cli in the environment's bin
# usage: remove_programs DIRECTORY
remove_programs() {
	find "$1" ! -type d ! -name 'python*' ! -name saved_model_cli ! -name tensorflow_model_server -delete
}

main() {
	local environment=$1 module
	shift
	"$@" uninstall --yes --quiet "${UNUSED_PACKAGES[@]}"
	case " ${EXTRAS:-} " in
		*' keras '*) ;;
		*) "$@" uninstall --yes --quiet "${KERAS_PACKAGES[@]}" ;;
	esac
	cd "$environment"/lib/python3*/site-packages
	rm -rf "${UNUSED_FILES[@]}"
	remove_headers
	keep_openvino_libraries
	for module in "${REPLACED_MODULES[@]}"; do
		replace_module "$module"
	done
	remove_kinds
	drop_generated_sources "$environment/bin/python"
	strip_libraries
	remove_programs "$environment/bin"
	test -x "$environment/bin/saved_model_cli"
}

if [ $# -lt 2 ]; then
	echo 'usage: slim-packages.sh ENVIRONMENT PIP ...' >&2
	exit 2
fi
main "$@"
