# SPDX-License-Identifier: GPL-2.0-or-later
# One Makefile, no recursion. Everything that is made lands under build/.

O ?= build
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= bpftool

all:
	@echo 'nothing to build yet'

# --- test guests ---
# The oracle guests and the small VMM that runs them: see tests/guest/README.md.

GUEST_OUT  := $(O)/guest
GUEST_HDRS := tests/guest/guest.h tests/guest/guest_abi.h tests/guest/guest.ld
GUEST_LIB  := tests/guest/boot.S tests/guest/lib.c
GUEST_CC   ?= gcc
GUEST_FLAGS := -std=gnu11 -g -Wall -Wextra -ffreestanding -nostdlib -static -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-pic -no-pie \
	-fno-optimize-sibling-calls -fno-ipa-icf -fno-ipa-cp -fno-ipa-sra -fno-jump-tables \
	-fasynchronous-unwind-tables -fvisibility=hidden -Itests/guest \
	-Wl,-T,tests/guest/guest.ld -Wl,--build-id=none -Wl,--eh-frame-hdr -Wl,-z,max-page-size=4096
GUEST_FP   := -O1 -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer -DLEAF_FRAMES
GUEST_NOFP := -O2 -fomit-frame-pointer
GUEST_SAY  = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' $(1) $@;)

GUEST_COMMA := ,

# guest-rule NAME SOURCE FLAGS BASE LINEAR
define guest-rule
GUESTS += $$(GUEST_OUT)/$(1)
$$(GUEST_OUT)/$(1): tests/guest/$(2).c $$(GUEST_LIB) $$(GUEST_HDRS)
	@mkdir -p $$(@D)
	$$(call GUEST_SAY,GUEST)$$(GUEST_CC) $$(GUEST_FLAGS) $(3) -DLINEAR=$(5) -Wl,--defsym=BASE=$(4) \
		-Wl,--defsym=LINEAR=$(5) tests/guest/boot.S tests/guest/lib.c $$< -o $$@
endef

$(eval $(call guest-rule,shares,shares,$(GUEST_FP),0x200000,0))
$(eval $(call guest-rule,shares-nofp,shares,$(GUEST_NOFP),0x200000,0))
# What gcc makes of -fno-omit-frame-pointer by itself: leaf functions have no frame.
$(eval $(call guest-rule,shares-leaf,shares,-O1 -fno-omit-frame-pointer,0x200000,0))
$(eval $(call guest-rule,shares-pie,shares,$(GUEST_FP) -fpie -static-pie -Wl$(GUEST_COMMA)--no-dynamic-linker,0,0))
$(eval $(call guest-rule,shares-high,shares,$(GUEST_FP),0x200000,0x40000000))
# As Unikraft's default build: frame pointers, .debug_frame for nearly everything, hardly any .eh_frame.
$(eval $(call guest-rule,shares-uk.dbg,shares,$(GUEST_FP) -fno-asynchronous-unwind-tables \
	-fno-unwind-tables,0x100000,0))
$(eval $(call guest-rule,deep,deep,$(GUEST_FP),0x200000,0))
$(eval $(call guest-rule,deep-nofp,deep,$(GUEST_NOFP),0x200000,0))
$(eval $(call guest-rule,exits,exits,$(GUEST_FP),0x200000,0))
$(eval $(call guest-rule,idle,idle,$(GUEST_FP),0x200000,0))
$(eval $(call guest-rule,hostile,hostile,$(GUEST_FP),0x200000,0))

GUESTS += $(GUEST_OUT)/shares-stripped $(GUEST_OUT)/shares-uk
$(GUEST_OUT)/shares-stripped: $(GUEST_OUT)/shares
	$(call GUEST_SAY,STRIP)strip -o $@ $<
$(GUEST_OUT)/shares-uk: $(GUEST_OUT)/shares-uk.dbg
	$(call GUEST_SAY,STRIP)objcopy -S -O elf32-i386 $< $@

$(GUEST_OUT)/ukvmm: tests/guest/vmm.c tests/guest/guest_abi.h
	@mkdir -p $(@D)
	$(call GUEST_SAY,CC)$(CC) -std=gnu11 -O2 -g -Wall -Wextra $(CFLAGS) -Itests/guest $< -o $@ -pthread

guests: $(GUEST_OUT)/ukvmm $(GUESTS)

.PHONY: guests
# --- end of test guests ---

clean:
	rm -rf $(O)

.PHONY: all clean
.DELETE_ON_ERROR:
.SECONDARY:
