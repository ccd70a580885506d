#!/bin/sh
# Writes types.txt and fields.txt, the facts that the renderer needs of kustomize's own modules.
# Needs go, python3 and a Go module proxy.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp types.go.txt "$work/main.go"
cd "$work"
printf 'module tables\ngo 1.24\nrequire sigs.k8s.io/kustomize/kyaml v0.21.2\n' > go.mod
api=$(go mod download -json sigs.k8s.io/kustomize/api@v0.21.2 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
kyaml=$(go mod download -json sigs.k8s.io/kustomize/kyaml@v0.21.2 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
GOFLAGS=-mod=mod go run . "$kyaml/openapi/openapi.go" > "$OLDPWD/types.txt"
cd "$OLDPWD"
python3 fields.py "$api" > fields.txt
