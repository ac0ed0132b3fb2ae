#!/usr/bin/env bash
# Compiles TensorFlow with Bazel, by TensorFlow's own release configuration plus the flags for a kind of CPU, and leaves
# the wheel and build.json in OUTPUT. What is compiled stays in CACHE: the same command resumes.
#
# usage: compile-tensorflow.sh [--print]
# --print shows Bazel's command line, a word on a line, and runs nothing. The environment says what to compile:
#   TENSORFLOW_VERSION   as in 2.21.0; what SOURCE (/tensorflow) holds
#   CPU_TARGET           haswell (the default), x86-64-v2, skylake-avx512, sapphirerapids, native, armv8 (the default on ARM)
#   CUDA                 1 for GPU kernels, for the cards in CUDA_COMPUTE_CAPABILITIES (as in sm_80,compute_90)
#   JOBS                 compilers at once; by default as many as the CPUs and the memory allow
#   OUTPUT, CACHE        directories, /wheels and /cache
#   PROVE                1: the wheel must import and multiply here; 0: not tried; auto: tried where this CPU can run it
#   TF_SERVING_BUILD_OPTIONS   upstream's: --config=release (the default) stands for the release configuration
#   TF_SERVING_BAZEL_OPTIONS   upstream's: more of Bazel's options
# Status: 0 done; 2 wrong arguments; 3 the source does not fit these options; 4 too little memory; 5 no such wheel came out;
# 6 the wheel does not work; else Bazel's own, of which 37 is a Bazel that was killed.
set -Eeuo pipefail
# A failure inside $( ... ) is one of the script.
shopt -s inherit_errexit

readonly VERSION=${TENSORFLOW_VERSION:?set TENSORFLOW_VERSION, as in 2.21.0}
readonly WITH_CUDA=${CUDA:-0} CAPABILITIES=${CUDA_COMPUTE_CAPABILITIES:-}
readonly SOURCE=${SOURCE:-/tensorflow} OUTPUT=${OUTPUT:-/wheels} CACHE=${CACHE:-/cache} PROVE=${PROVE:-auto}
readonly BUILD_OPTIONS=${TF_SERVING_BUILD_OPTIONS:---config=release} BAZEL_OPTIONS=${TF_SERVING_BAZEL_OPTIONS:-}
MACHINE=${MACHINE:-$(uname -m)}
TARGET=${CPU_TARGET:-$([ "$MACHINE" = aarch64 ] && echo armv8 || echo haswell)}
readonly MACHINE TARGET
# Debian's, for what TensorFlow's own compiler is not there for; and what the runtime image has of CUDA.
readonly CLANG=/usr/lib/llvm-19/bin/clang GPU_LOCK=${GPU_LOCK:-/usr/local/share/devel/requirements-gpu.lock}

# The same as build/plan.py reckons with.
readonly BYTES_PER_JOB=2500000000 RESERVED_BYTES=2000000000

# usage: fail STATUS MESSAGE ...
fail() {
	local status=$1
	shift
	printf '%s\n' "error: $1" "${@:2}" >&2
	exit "$status"
}

# prints the bytes that may be used: the container's limit, or what the machine has free
# usage: usable_memory
usable_memory() {
	local limit file smallest
	smallest=$(awk '/^MemAvailable:/ { printf "%.0f", $2 * 1024 }' "${MEMINFO:-/proc/meminfo}")
	for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
		limit=$(cat "$file" 2>/dev/null || true)
		[[ $limit =~ ^[0-9]+$ && ${#limit} -lt 18 && $limit -lt $smallest ]] && smallest=$limit
	done
	echo "$smallest"
}

# prints how many compilers may run at once
# usage: jobs
jobs() {
	local memory fitting
	[ -z "${JOBS:-}" ] || { echo "$JOBS" && return; }
	memory=$(usable_memory)
	fitting=$(((memory - RESERVED_BYTES) / BYTES_PER_JOB))
	[ "$fitting" -ge 1 ] || fail 4 "$((memory / 1000000)) MB of memory are too few for one compiler, which needs 2500 MB beside Bazel's 2000 MB." \
		'next: give the engine or the container more memory; JOBS=1 tries all the same'
	echo $((fitting < $(nproc) ? fitting : $(nproc)))
}

# usage: wheel_name
wheel_name() {
	# upstream's names: without "-cpu" also on ARM, where there is no other
	if [ "$MACHINE" = x86_64 ] && [ "$WITH_CUDA" = 0 ]; then echo tensorflow_cpu; else echo tensorflow; fi
}

# prints what --config=release stands for, a word on a line
# usage: release_options
release_options() {
	local flag flags
	flags=$(target_flags)
	case $MACHINE-$WITH_CUDA in
		x86_64-0) echo --config=release_cpu_linux ;;
		# The release configuration names a Clang 18 that is not here. It is looked for by clang_local alone.
		x86_64-1) printf '%s\n' --config=release_gpu_linux "--action_env=CLANG_CUDA_COMPILER_PATH=$CLANG" ;;
		# release_arm64_linux may be bound to the container that TensorFlow's own builds run in; this is the rest of it.
		aarch64-0)
			printf '%s\n' --config=release_linux_base --config=linux_arm64 --config=mkl_aarch64_threadpool \
				--copt=-flax-vector-conversions
			local_compiler
			;;
		*) fail 2 "CUDA=$WITH_CUDA on $MACHINE is not known; expected CUDA=0, or CUDA=1 on x86_64" ;;
	esac
	for flag in $flags; do
		echo "--copt=$flag"
	done
}

# prints what makes Bazel take this machine's compiler, if the source has none for ARM. The copy that says 2.21.0 registers
# compilers for x86-64 alone; the one that says 2.22.0 both. The released ARM wheel names the latter's, LLVM's own 18.1.8.
# usage: local_compiler
local_compiler() {
	grep -qsE '^[^#]*linux_aarch64_linux_aarch64' "$SOURCE/WORKSPACE" "$SOURCE/MODULE.bazel" ||
		printf '%s\n' --config=clang_local "--repo_env=CC=$CLANG" "--repo_env=BAZEL_COMPILER=$CLANG"
}

# usage: target_flags
target_flags() {
	case $TARGET-$MACHINE in
		armv8-x86_64 | haswell-aarch64 | x86-64-v2-aarch64 | skylake-avx512-aarch64 | sapphirerapids-aarch64)
			fail 2 "CPU_TARGET=$TARGET cannot be compiled on $MACHINE"
			;;
	esac
	cpu-flags "$TARGET"
}

# prints the options that were asked for, a word on a line
# usage: build_options
build_options() {
	local word words
	read -r -a words <<<"$BUILD_OPTIONS"
	for word in "${words[@]}"; do
		case $word in
			--config=release) release_options ;;
			--config=nativeopt) fail 2 "TF_SERVING_BUILD_OPTIONS has $word; CPU_TARGET=native is the same here" ;;
			*) echo "$word" ;;
		esac
	done
}

# prints Bazel's whole command line after "bazel", a word on a line
# usage: command_line
command_line() {
	local options jobs python more
	options=$(build_options)
	jobs=$(jobs)
	python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	read -r -a more <<<"$BAZEL_OPTIONS"
	printf '%s\n' "--output_user_root=$CACHE/bazel" --host_jvm_args=-Xmx3g \
		build --curses=no --color=no --show_progress_rate_limit=5 --verbose_failures "--jobs=$jobs" \
		"--repo_env=HERMETIC_PYTHON_VERSION=$python" --repo_env=USE_PYWRAP_RULES=True \
		--repo_env=ML_WHEEL_TYPE=release "--repo_env=WHEEL_NAME=$(wheel_name)"
	printf '%s\n' "$options"
	# TensorFlow's own builds give it for wheels without CUDA as well
	echo --config=cuda_wheel
	[ "$WITH_CUDA" = 0 ] || [ -z "$CAPABILITIES" ] || echo "--repo_env=HERMETIC_CUDA_COMPUTE_CAPABILITIES=$CAPABILITIES"
	[ ${#more[@]} -eq 0 ] || printf '%s\n' "${more[@]}"
	echo //tensorflow/tools/pip_package:wheel
}

# prints the names of the source's configurations that begin with PREFIX
# usage: configurations PREFIX
configurations() {
	find "$SOURCE" "$SOURCE/third_party/xla" -maxdepth 1 -name '*.bazelrc' -exec cat '{}' + 2>/dev/null |
		sed -nE "s/^(build|common):($1[A-Za-z0-9_]*)[[:space:]].*/\\2/p" | sort -u || true
}

# fails when the source does not know a --config; Bazel itself would say so in other words
# usage: check_configurations WORD ...
check_configurations() {
	local word known
	known=$'\n'$(configurations '')$'\n'
	for word; do
		[[ $word == --config=* ]] || continue
		[[ $known == *$'\n'"${word#--config=}"$'\n'* ]] ||
			fail 3 "TensorFlow's .bazelrc in $SOURCE has no configuration \"${word#--config=}\"." \
				"  It has: $(configurations release | paste -sd ' ')" \
				'next: name others in TF_SERVING_BUILD_OPTIONS, in place of --config=release'
	done
}

# fails when the source brings no compiler of its own: the release options above are for those that do
# usage: check_release
check_release() {
	[[ " $BUILD_OPTIONS " == *' --config=release '* ]] || return 0
	grep -qsE '^(build|common)[[:space:]]+--repo_env[= ]USE_HERMETIC_CC_TOOLCHAIN=1' "$SOURCE/.bazelrc" ||
		fail 3 "TensorFlow in $SOURCE brings no compiler (its .bazelrc has no USE_HERMETIC_CC_TOOLCHAIN=1): the options here" \
			'  hold from 2.21 on. An older release is bound to the container of its own builds: /usr/lib/llvm-18, /dt9.' \
			'next: take 2.21.0, or name its options in TF_SERVING_BUILD_OPTIONS, in place of --config=release'
}

# usage: run_bazel WORD ...
run_bazel() {
	local status=0
	export BAZELISK_HOME=$CACHE/bazelisk
	mkdir -p "$CACHE/bazel" "$OUTPUT"
	cd "$SOURCE"
	echo "bazel ${*@Q}"
	bazel "$@" || status=$?
	[ "$status" -ne 37 ] || echo "error: Bazel was killed, most often for want of memory. next: a smaller JOBS" >&2
	return "$status"
}

# copies the wheel that came out to OUTPUT and prints its path there
# usage: take_wheel
take_wheel() {
	local found=("$SOURCE/bazel-bin/tensorflow/tools/pip_package/wheel_house/$(wheel_name)-$VERSION"-*.whl)
	[ -f "${found[0]}" ] && [ ${#found[@]} -eq 1 ] ||
		fail 5 "Bazel succeeded, but ${#found[@]} files are called ${found[*]}; expected one."
	rm -f "$OUTPUT"/*.whl "$OUTPUT/build.json"
	install -m 0644 "${found[0]}" "$OUTPUT/"
	echo "$OUTPUT/${found[0]##*/}"
}

# prints the features that a CPU must have: those of the target, and of --copt=-m... among the options
# usage: features WORD ...
features() {
	local word flags=()
	for word; do
		[[ $word != --copt=-m* ]] || flags+=("${word#--copt=}")
	done
	# by TensorFlow's release configuration, also without a target
	[[ " $* " != *" --config=release_cpu_linux "* && " $* " != *" --config=release_gpu_linux "* ]] || flags=(-mavx "${flags[@]}")
	cpu-features "${flags[@]}" -O3
}

# prints what the wheel says of itself, "{}" when it is not tried
# usage: prove FEATURE ...
prove() {
	local feature
	if [ "$PROVE" = auto ]; then
		for feature; do
			grep -qE "^(flags|Features)[[:space:]]*:.* $feature( |\$)" "${CPUINFO:-/proc/cpuinfo}" || {
				echo "warning: this CPU has no $feature, so the wheel was not tried" >&2
				echo '{}' && return
			}
		done
	fi
	[ "$PROVE" != 0 ] || { echo '{}' && return; }
	prove-wheel "$OUTPUT" || fail 6 'the wheel was compiled, but does not import or multiplies wrongly; see above'
}

# writes build.json; docs/images.md has its fields
# usage: describe WHEEL FACTS FEATURES
describe() {
	WHEEL=$1 FACTS=$2 FEATURES=$3 python3 - >"$OUTPUT/build.json.partial" <<-PYTHON
		import hashlib, json, os, pathlib
		wheel = pathlib.Path(os.environ["WHEEL"])
		facts = json.loads(os.environ["FACTS"])
		print(json.dumps({
		    "schema": 1,
		    "tensorflow": "$VERSION",
		    "tensorflow_commit": "$(git -C "$SOURCE" rev-parse HEAD 2>/dev/null || true)",
		    "architecture": "$MACHINE",
		    "cpu_target": "$TARGET",
		    "cpu_features": os.environ["FEATURES"].split(),
		    "cuda": bool($WITH_CUDA),
		    "cuda_compute_capabilities": [word for word in "$CAPABILITIES".split(",") if word] if $WITH_CUDA else [],
		    "build_options": os.environ.get("TF_SERVING_BUILD_OPTIONS") or "--config=release",
		    "bazel_options": os.environ.get("TF_SERVING_BAZEL_OPTIONS", ""),
		    "bazel": "$(head -n 1 "$SOURCE/.bazelversion" 2>/dev/null || true)",
		    "compiler": facts.get("compiler", ""),
		    "proved": bool(facts),
		    "wheel": wheel.name,
		    "wheel_sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
		}, indent=2))
	PYTHON
	# A compile is done when this file is there.
	mv "$OUTPUT/build.json.partial" "$OUTPUT/build.json"
}

main() {
	local lines words wheel features facts
	[[ $CAPABILITIES =~ ^[a-z0-9_.,]*$ ]] || fail 2 "CUDA_COMPUTE_CAPABILITIES is \"$CAPABILITIES\"; expected words as sm_80,compute_90"
	[[ $WITH_CUDA =~ ^[01]$ ]] || fail 2 "CUDA is \"$WITH_CUDA\"; expected 0 or 1"
	lines=$(command_line)
	if [ "${1:-}" = --print ]; then
		echo "$lines"
		return
	fi
	mapfile -t words <<<"$lines"
	check_release
	check_configurations "${words[@]}"
	[ "$WITH_CUDA" = 0 ] || check-cuda "$GPU_LOCK" "$SOURCE/.bazelrc" "${words[@]}" || exit 3
	run_bazel "${words[@]}"
	wheel=$(take_wheel)
	features=$(features "${words[@]}")
	# shellcheck disable=SC2086 # a word each
	facts=$(prove $features)
	describe "$wheel" "$facts" "$features"
	cat "$OUTPUT/build.json"
}

case ${1:-} in
	'' | --print) main "$@" ;;
	*)
		echo 'usage: compile-tensorflow.sh [--print]' >&2
		exit 2
		;;
esac
