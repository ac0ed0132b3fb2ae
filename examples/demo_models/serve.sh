#!/bin/sh
# What `make serve` runs: decides which models to serve, lays out the demo models when none are named, starts the server.
#
#   MODEL_CONFIG_FILE   a text ModelServerConfig; or
#   MODEL_NAME          (default: model) and
#   MODEL_BASE_PATH     (default: /models): the model itself, or the directory that holds MODEL_NAME; or
#   none of them        the demo models
#   GRPC_PORT, REST_PORT, FLAGS   8500, 8501, and more flags for the server
set -eu

PYTHON=.venv/bin/python
DEMO=.demo
MADE=examples/demo_models/models

# check whether a directory has a version to serve: a directory named by a number
# usage: has_version DIRECTORY
has_version() {
	for path in "$1"/*/; do
		name=${path%/}
		case ${name##*/} in
			'' | *[!0-9]*) ;;
			*) return 0 ;;
		esac
	done
	return 1
}

# prints a local path as an absolute one, which the server insists on, and leaves gs:// and the like as they are
# usage: absolute PATH
absolute() {
	case $1 in
		/* | *://*) printf '%s\n' "$1" ;;
		*) printf '%s/%s\n' "$PWD" "$1" ;;
	esac
}

# prints the names of the models in a directory, those of its directories that have a version, with commas between
# usage: models DIRECTORY
models() {
	found=
	for model in "$1"/*/; do
		model=${model%/}
		! has_version "$model" || found=${found:+$found, }${model##*/}
	done
	printf '%s' "$found"
}

# says why there is no version to serve, and what to type
# usage: explain BASE NAME
explain() {
	base=${1%/}
	if [ ! -d "$base" ]; then
		echo "error: there is no directory $base (MODEL_BASE_PATH)."
		echo "  Expected: $base/$2/1/saved_model.pb, or the versions directly below it."
	elif [ -e "$base/saved_model.pb" ]; then
		case ${base##*/} in
			*[!0-9]*)
				echo "error: the model lies directly in $base (MODEL_BASE_PATH), which has no version directory."
				echo "  Put it one level deeper: mkdir '$base/1', and move what else is in it there."
				;;
			*)
				echo "error: $base (MODEL_BASE_PATH) is a version itself: one level too deep."
				echo "  Type: make serve MODEL_NAME=$2 MODEL_BASE_PATH='${base%/*}'"
				;;
		esac
	elif [ -e "$base/$2/saved_model.pb" ]; then
		echo "error: the model lies directly in $base/$2 (MODEL_BASE_PATH/MODEL_NAME), which has no version directory."
		echo "  Put it one level deeper: mkdir '$base/$2/1', and move what else is in it there."
	elif [ -n "$(models "$base")" ]; then
		names=$(models "$base")
		echo "error: there is no model $2 (MODEL_NAME) in $base (MODEL_BASE_PATH), which has: $names."
		echo "  Type: make serve MODEL_NAME='${names%%, *}' MODEL_BASE_PATH='$base'"
	else
		echo "error: no version to serve in $base/$2 nor in $base: a version is a directory named by a number."
		echo "  Expected: $base/$2/1/saved_model.pb. Set MODEL_BASE_PATH (now $base) and MODEL_NAME (now $2)."
	fi
}

# prints the directory with the versions of the model MODEL_NAME: below BASE as in the Docker image, or BASE itself
# usage: model_directory BASE NAME
model_directory() {
	if has_version "$1/$2"; then
		printf '%s\n' "$1/$2"
	elif has_version "$1"; then
		printf '%s\n' "$1"
	else
		case $1 in
			*://*) printf '%s\n' "$1/$2" ;;
			*)
				explain "$1" "$2" >&2
				return 1
				;;
		esac
	fi
}

# copies the demo models to where versions can be added and taken away, and writes the configuration that names them; what
# is there already is kept, unless it has lost its saved_model.pb
# usage: lay_out_demo
lay_out_demo() {
	for name in half_plus_two digits; do
		model=$DEMO/models/$name
		[ ! -e "$model/1/saved_model.pb" ] || continue
		rm -rf "$model/1" "$model/unfinished"
		mkdir -p "$model"
		# Renamed when it is complete: a server that looks at the directory must not find a half.
		cp -R "$MADE/$name/1" "$model/unfinished"
		mv "$model/unfinished" "$model/1"
	done
	{
		echo 'model_config_list {'
		for name in half_plus_two digits; do
			echo "  config { name: \"$name\" base_path: \"$PWD/$DEMO/models/$name\" model_platform: \"tensorflow\" }"
		done
		echo '}'
	} >"$DEMO/models.config"
	echo "Demo models: $DEMO/models, and how they were made: examples/demo_models"
}

if [ -n "${MODEL_CONFIG_FILE:-}" ]; then
	set -- "--model_config_file=$MODEL_CONFIG_FILE"
elif [ -n "${MODEL_NAME:-}${MODEL_BASE_PATH:-}" ]; then
	name=${MODEL_NAME:-model}
	directory=$(model_directory "$(absolute "${MODEL_BASE_PATH:-/models}")" "$name")
	set -- "--model_name=$name" "--model_base_path=$directory"
else
	lay_out_demo
	set -- "--model_config_file=$DEMO/models.config"
fi

# REST says from the start what is waited for: nobody has a proxy in front of this, which would pass its 503 on.
# Without exec Ctrl-C and SIGTERM would reach this shell and not the server. FLAGS is a list of words.
# shellcheck disable=SC2086
exec "$PYTHON" -m serving "--port=${GRPC_PORT:-8500}" "--rest_api_port=${REST_PORT:-8501}" --rest_api_open_early \
	"$@" ${FLAGS:-}
