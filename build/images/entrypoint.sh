#!/usr/bin/env -S --block-signal=TERM,INT bash
# The image's entrypoint: starts the server on the model that MODEL_NAME and MODEL_BASE_PATH name.
#
#   docker run IMAGE                        the server on $MODEL_BASE_PATH/$MODEL_NAME
#   docker run IMAGE --flag=value ...       the same, with flags added; the last of equal flags wins
#   docker run IMAGE saved_model_cli ...    any other command instead of the server
#   docker run IMAGE serve                  as SageMaker starts it: the models below /opt/ml/model, on port 8080
#
# May be sourced: then only the functions are defined.
#
# To process 1 of a container a signal is lost as long as it has no handler. A blocked one waits, through every exec, and the
# server's first line ends the process with 0.
set -Eeuo pipefail

readonly CHECK_CPU=${CHECK_CPU:-/usr/bin/tf_serving_check_cpu}

# check whether this file is run or sourced
# usage: is_sourced
is_sourced() {
	[ "${BASH_SOURCE[0]}" != "$0" ]
}

# prints its arguments, one a line and controls as ?, on standard error, where the server's log goes too; nothing happens
# when that is closed, full or read by nobody, for which the subshell takes the signal
# usage: say LINE ...
say() {
	(printf 'tf_serving_entrypoint: %s\n' "${@//[[:cntrl:]]/?}") >&2 2>/dev/null || true
}

# check whether the arguments are flags for the server, as opposed to a command of their own
# usage: wants_server [ARGUMENT ...]
wants_server() {
	[ $# -eq 0 ] || [[ $1 == -* || $1 == serve ]]
}

# check whether SageMaker starts this, which says so by its argument, or by a variable of its own
# usage: is_on_sagemaker [ARGUMENT ...]
is_on_sagemaker() {
	[ "${1-}" = serve ] || [ -n "${SAGEMAKER_BIND_TO_PORT-}${SAGEMAKER_SAFE_PORT_RANGE-}" ] ||
		[ -n "${SAGEMAKER_MULTI_MODEL-}${SAGEMAKER_TFS_DEFAULT_MODEL_NAME-}" ]
}

# check whether the arguments say themselves which models to serve
# usage: names_models [ARGUMENT ...]
names_models() {
	local argument
	for argument; do
		case $argument in
			--model_base_path=* | --model_config_file=* | --make_api_key=* | --help | --version) return 0 ;;
		esac
	done
	return 1
}

# ends the container when a variable is empty, for the server would look at the wrong place without a word
# usage: require_variable NAME EXAMPLE
require_variable() {
	if [ -z "${!1-}" ]; then
		say "error: $1 is empty." \
			"Give it a value, or leave it out to get the image's default, for example:" \
			"    docker run -e $1=$2 IMAGE"
		exit 255
	fi
}

# prints the names in a directory in one line, the first ten of them, or "nothing"
# usage: contents DIRECTORY
contents() {
	local names=() path
	for path in "$1"/*; do
		[ ! -e "$path" ] || names+=("${path##*/}")
	done
	case ${#names[@]} in
		0) printf 'nothing' ;;
		[1-9] | 10) printf '%s' "${names[*]}" ;;
		*) printf '%s and %d more' "${names[*]:0:10}" "$((${#names[@]} - 10))" ;;
	esac
}

# check whether a directory has a version that can be loaded: a directory named by a number
# usage: has_version DIRECTORY
has_version() {
	local path
	for path in "$1"/*/; do
		path=${path%/}
		[[ ! ${path##*/} =~ ^[0-9]+$ ]] || return 0
	done
	return 1
}

# prints the first model in a directory, that is a directory with a version in it; nothing without one
# usage: first_model DIRECTORY
first_model() {
	local path
	for path in "$1"/*/; do
		path=${path%/}
		if has_version "$path"; then
			printf '%s' "${path##*/}"
			return
		fi
	done
}

# says what was looked for and what is there when the model cannot be found; the server starts all the same and waits
# for it, for a model may be copied to its place later
# usage: explain_missing_model DIRECTORY
explain_missing_model() {
	local model=$1 there
	# Another file system's path (gs://, s3://) cannot be looked at from here.
	[[ $model != *://* ]] || return 0
	if [ -e "$model" ] && { [ ! -r "$model" ] || [ ! -x "$model" ]; }; then
		say "warning: $model cannot be read by user $(id -u)." \
			"Make it readable on the host, or run as its owner, for example:" \
			"    chmod -R a+rX /path/to/$MODEL_NAME" \
			"    docker run --user \"\$(id -u):\$(id -g)\" -v /path/to/$MODEL_NAME:$model IMAGE"
	elif [ ! -d "$model" ]; then
		say "warning: there is no model directory $model (MODEL_BASE_PATH/MODEL_NAME)." \
			"$MODEL_BASE_PATH contains: $(contents "$MODEL_BASE_PATH")."
		there=$(first_model "$MODEL_BASE_PATH")
		if [ -n "$there" ]; then
			say "Name a model that is there, for example:" "    docker run -e MODEL_NAME=$there ... IMAGE"
		else
			say "Mount the model there, the directory that has its versions, for example:" \
				"    docker run -v /path/to/$MODEL_NAME:$model -e MODEL_NAME=$MODEL_NAME IMAGE"
		fi
	elif [ -e "$model/saved_model.pb" ] && ! has_version "$model"; then
		say "warning: the model lies directly in $model, which has no version: a directory named by a number." \
			"$model contains: $(contents "$model")." \
			"Expected: $model/1/saved_model.pb. If what is mounted is a version, mount the directory above it;" \
			"otherwise mount it as version 1, for example:" \
			"    docker run -v /path/to/$MODEL_NAME:$model/1 -e MODEL_NAME=$MODEL_NAME IMAGE"
	elif ! has_version "$model"; then
		say "warning: $model has no version to serve: a version is a directory named by a number." \
			"$model contains: $(contents "$model")." \
			"Expected: $model/1/saved_model.pb. Mount the directory above the version, for example:" \
			"    docker run -v /path/to/$MODEL_NAME:$model IMAGE    # with /path/to/$MODEL_NAME/1/saved_model.pb"
	fi
}

# lets TMPDIR be a place that can be written to: with `docker run --read-only` and no `--tmpfs /tmp` only /dev/shm is,
# and tools that import TensorFlow (saved_model_cli) end at once without a temporary directory
# usage: find_temporary_directory
find_temporary_directory() {
	if [ ! -w "${TMPDIR:-/tmp}" ] && [ -w /dev/shm ]; then
		export TMPDIR=/dev/shm
	fi
}

# check whether a command loads TensorFlow
# usage: loads_tensorflow [ARGUMENT ...]
loads_tensorflow() {
	wants_server "$@" || [[ ${1##*/} == tensorflow_model_server || ${1##*/} == saved_model_cli ]]
}

# ends the container, with status 86 and an explanation, when the CPU lacks what TensorFlow was compiled for; what the
# check has to say otherwise waits in SERVING_CPU_NOTE until the server says what it serves
# usage: check_cpu
check_cpu() {
	[ -x "$CHECK_CPU" ] || return 0
	SERVING_CPU_NOTE=$("$CHECK_CPU") || exit $?
	export SERVING_CPU_NOTE
}

# replaces this script by a command, which gets its signals as ever: only the server knows that they wait
# usage: run_instead COMMAND [ARGUMENT ...]
run_instead() {
	local unblock='import os, signal, sys
signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
for number in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(number, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])'
	# The shell has the words and the status for a command that is not there.
	! type -P "$1" python3 >/dev/null || exec python3 -I -S -c "$unblock" "$@"
	exec "$@"
}

# usage: main [ARGUMENT ...]
main() {
	find_temporary_directory
	if loads_tensorflow "$@"; then
		check_cpu
	fi
	if ! wants_server "$@"; then
		run_instead "$@"
	fi
	if is_on_sagemaker "$@"; then
		# The server reads its variables itself. The port is said here, too, for the health check.
		[ "${1-}" != serve ] || shift
		exec tensorflow_model_server serve --rest_api_port="${SAGEMAKER_BIND_TO_PORT:-8080}" "$@"
	fi
	local named=("--model_name=${MODEL_NAME-}")
	# Vertex AI names the directory by a variable that the server reads itself.
	local base_path=${MODEL_BASE_PATH-}/${MODEL_NAME-}
	# An archive is the model itself, and there is nothing below it.
	[[ ${MODEL_BASE_PATH-} != *://*.@(tar.gz|tgz|tar|zip)?(\?*) ]] || base_path=$MODEL_BASE_PATH
	[ -n "${AIP_STORAGE_URI-}" ] || named+=("--model_base_path=$base_path")
	if [ -z "${AIP_STORAGE_URI-}" ] && ! names_models "$@"; then
		require_variable MODEL_NAME my_model
		require_variable MODEL_BASE_PATH /models
		explain_missing_model "$base_path"
	fi
	exec tensorflow_model_server \
		--port=8500 \
		--rest_api_port="${AIP_HTTP_PORT:-8501}" \
		"${named[@]}" \
		"$@"
}

if ! is_sourced; then
	main "$@"
fi
