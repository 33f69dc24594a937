# SPDX-License-Identifier: GPL-2.0-or-later
# One Makefile, no recursion. Everything that is made lands under build/.

O ?= build
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= bpftool

all:
	@echo 'nothing to build yet'

clean:
	rm -rf $(O)

.PHONY: all clean
.DELETE_ON_ERROR:
.SECONDARY:
