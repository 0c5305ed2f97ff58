#!/usr/bin/env bash
# setup.sh FOLDER: makes an environment for each tool that operators.py measures beside modalmill.
set -euo pipefail
folder=${1:?the folder to make the environments in}
for tool in albumentations audiomentations cleanvision datatrove data_juicer libraries; do python3 -m venv "$folder/$tool"; done
"$folder/albumentations/bin/pip" install --quiet albumentations==1.4.24
"$folder/audiomentations/bin/pip" install --quiet audiomentations==0.43.1 loudness==0.2.0
"$folder/cleanvision/bin/pip" install --quiet cleanvision==0.3.7
"$folder/datatrove/bin/pip" install --quiet 'datatrove[io,processing]==0.10.1' spacy nltk
"$folder/data_juicer/bin/pip" install --quiet py-data-juicer==1.4.5 'datasets<4' 'pyarrow<21' aiohttp ftfy ray 'selectolax<0.3.30'
"$folder/libraries/bin/pip" install --quiet librosa==0.11.0 scikit-image==0.26.0 scikit-learn==1.9.1 pyloudnorm==0.2.0 PyWavelets nlpaug==1.1.11
