# make demo   set up and render the demo sequence of 300 lamps        make test    set up and run every check and test
# make run    set up and open the app                                 make check   the fast part of it, before a commit
# make bench  set up and measure (benchmarks/)                        make setup   only set up .venv
.PHONY: demo run test check bench setup
.DEFAULT_GOAL := demo

STUDIO := .venv/bin/studio
DEMO_FRAMES ?= 1-48x8
DEMO_SIZE ?= 640x360
DEMO_SAMPLES ?= 16

setup:
	@scripts/setup

demo: setup
	@mkdir -p out
	@$(STUDIO) demo hall -o out/demo.studio
	@$(STUDIO) render out/demo.studio -o out/demo/hall.####.png \
		--frames $(DEMO_FRAMES) --size $(DEMO_SIZE) --samples $(DEMO_SAMPLES) --denoise
	@echo "The pictures are in $(CURDIR)/out/demo"

run: setup
	@$(STUDIO) app

test:
	@scripts/setup --dev
	@scripts/check --all

check:
	@scripts/setup --dev
	@scripts/check

bench: setup
	@$(STUDIO) bench
