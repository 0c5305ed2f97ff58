#!/usr/bin/env bash
# setup.sh FOLDER: makes FOLDER/venv and FOLDER/venv-mosaic, whose needs exclude each other's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?the folder to make the environments in}
mkdir -p "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
"$folder/venv/bin/pip" install --quiet --no-deps litdata==0.2.76
# FFmpeg for SPDL's own decoder, from the wheel of PyAV, under the names that SPDL asks for
libraries=$("$folder/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/av.libs
mkdir -p "$folder/ffmpeg8"
for file in "$libraries"/libav*.so.* "$libraries"/libsw*.so.*; do
  name=$(basename "$file")
  version=${name#*.so.}
  ln -sf "$file" "$folder/ffmpeg8/${name%%-*}.so.${version%%.*}"
done
python3 -m venv "$folder/venv-mosaic"
"$folder/venv-mosaic/bin/pip" install --quiet --requirement "$here/requirements-mosaic.txt"
"$folder/venv-mosaic/bin/pip" install --quiet --no-deps mosaicml-streaming==0.13.0
# mosaicml-streaming imports torchvision for data sets that are not used here; a stand-in spares a second torch
stand_in=$("$folder/venv-mosaic/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torchvision
mkdir -p "$stand_in/transforms"
: > "$stand_in/__init__.py"
: > "$stand_in/transforms/__init__.py"
echo 'class VisionDataset: ...' > "$stand_in/datasets.py"
echo 'def to_tensor(x): raise NotImplementedError' > "$stand_in/transforms/functional.py"
