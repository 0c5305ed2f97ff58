#!/usr/bin/env bash
# setup.sh FOLDER: makes an environment for each tool that prepare_texts.py measures beside modalmill.
set -euo pipefail
folder=${1:?the folder to make the environments in}
for tool in datatrove datasets data-juicer; do python3 -m venv "$folder/$tool"; done
"$folder/datatrove/bin/pip" install --quiet 'datatrove[io,processing]==0.10.1' spacy nltk
"$folder/datasets/bin/pip" install --quiet datasets==5.2.0 datasketch==2.0.0
"$folder/data-juicer/bin/pip" install --quiet py-data-juicer==1.4.5 'datasets<4' 'pyarrow<21' aiohttp
