#!/bin/sh
# Makes what the page needs for TLS below DIRECTORY: an authority, a certificate for the server, one for a client, and the
# two files with which the server is started. The keys have no passphrase: for trying things out, not for production.
#
# usage: make_certificates.sh DIRECTORY
set -eu

umask 077
mkdir -p "$1"
cd "$1"

# writes NAME.key
new_key() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
}

# writes NAME.key, and NAME.crt signed by the authority
# usage: signed NAME SUBJECT EXTENSIONS
signed() {
	new_key "$1"
	printf '%s\n' "$3" >extensions
	openssl req -new -key "$1.key" -subj "$2" |
		openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile extensions -out "$1.crt"
	rm extensions
}

# prints FIELD with what is in FILE, for a text proto
# usage: field FIELD FILE
field() {
	awk -v name="$1" 'BEGIN { printf "%s: \"", name } { printf "%s\\n", $0 } END { print "\"" }' "$2"
}

new_key ca
# Without the key usage clients that check strictly, such as Python 3.13, refuse the authority.
openssl req -new -x509 -key ca.key -days 365 -subj '/CN=An example authority' \
	-addext 'keyUsage = critical,keyCertSign,cRLSign' -out ca.crt
signed server '/CN=localhost' 'subjectAltName = DNS:localhost, IP:127.0.0.1'
signed client '/CN=An example client' 'extendedKeyUsage = clientAuth'

{
	field server_key server.key
	field server_cert server.crt
} >rest.config
{
	cat rest.config
	field custom_ca ca.crt
	echo 'client_verify: true'
} >grpc.config
echo "$1: ca.crt; server.crt and client.crt with their keys; rest.config and grpc.config for the server"
