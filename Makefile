# Every target sets itself up in .venv; nothing else is needed than Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm
RUN ?= runs/r1v-tiny
FIRST ?= runs/first

.PHONY: demo test test-vllm check bench gpu-check docs clean

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "SeeThink needs Python 3.11 or newer; say make PYTHON=..."'
	@date +%s > .setup-began
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@echo "set-up: $$(($$(date +%s) - $$(cat .setup-began))) s"; rm .setup-began
	touch $@

# vLLM stands in front of .venv, whose torch, transformers and the rest it shares: what is true of a picture in
# `make test` is true here. vLLM's CPU build asks for torch's; it runs with the ordinary one as well.
$(VLLM)/ready: $(VENV)/ready requirements-vllm.txt
	rm -rf $(VLLM)
	$(BIN)/python -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-vllm.txt
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> $$($(VLLM)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/behind.pth
	touch $@

# Prints when the first answer and the report are there; `run` prints the seconds of each stage.
demo: $(VENV)/ready
	@began=$$(date +%s); since() { echo "$$1: $$(($$(date +%s) - began)) s after the set-up"; }; \
	{ test -d $(FIRST) || $(BIN)/seethink init $(FIRST) > /dev/null; } && \
	$(BIN)/seethink ask --model sprout $(FIRST)/pictures/test-000.png "How many circles are there?" && \
	since "first answer" && \
	$(BIN)/seethink run r1v --scale tiny --out $(RUN) && \
	since "report"

test: $(VENV)/ready
	$(BIN)/python -m pytest

test-vllm: $(VLLM)/ready
	$(VLLM)/bin/python -m pytest -n 0 tests_vllm

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

bench: $(VENV)/ready
	$(BIN)/python -m bench.update --prompt 272 --response 64 --group 8 --rival trl
	$(BIN)/python -m bench.update --prompt 80 --response 200 --group 8 --rival trl
	$(BIN)/python -m bench.rollout --prompt 272 --response 64 --group 8 --rival trl
	$(BIN)/python -m bench.step --prompt 272 --response 64 --group 8 --rival trl
	$(BIN)/python -m bench.dpo --prompt 272 --response 64 --questions 4
	$(BIN)/python -m bench.serve
	$(BIN)/python -m bench.check --rows 100000 --folder runs/many
	$(BIN)/python -m bench.synth overhead
	$(BIN)/python -m bench.synth chains
	$(BIN)/python -m bench.synth_training --chain r1_onevision
	$(BIN)/python -m bench.synth_training --chain insight_v --learning-rate 3e-4

gpu-check: $(VENV)/ready
	$(BIN)/python -m bench.gpu_check

docs: $(VENV)/ready
	$(BIN)/python -m pytest tests/test_docs.py

clean:
	rm -rf $(VENV) $(VLLM) runs
