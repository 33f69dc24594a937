# SPDX-License-Identifier: GPL-2.0-or-later
# One Makefile, no recursion. Everything that is made lands under $(O).
#
#   make            build/ukprof               V=1 shows commands, SAN=1 adds ASan and UBSan, DEBUG=1 -O0
#   make demo       from nothing to a flame graph of a bundled unikernel
#   make test       every test this machine can run, then the labs
#   make check      unit tests and goldens: no privileges, no KVM
#   make fuzz       fuzzers, a minute each

O       ?= build$(if $(filter 1,$(SAN)),/san)
CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
PREFIX  ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
VERSION := 0.1.0

comma   := ,
CFLAGS  ?= $(if $(filter 1,$(DEBUG)),-O0,-O2) -g
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
HARDEN  := -fstack-protector-strong -fPIE $(if $(filter 1,$(DEBUG) $(SAN)),,-D_FORTIFY_SOURCE=2)
SANFLAGS := $(if $(filter 1,$(SAN)),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
LDFLAGS ?= -pie -Wl,-z,relro,-z,now
LDLIBS  := -lbpf -ldw -lelf -liberty -lZydis -lmicrohttpd -lgnutls -lyaml -lcrypt -lcap -lseccomp -lz -pthread

# --- folders: sources, and what each may include (docs: STYLE of the tree, "boundaries") ---
# A folder sees the headers of its own include path and no others, so a wrong include does not compile.

base_SRCS       := $(wildcard user/base/*.c)
base_INC        := -Iuser/base
snapshot_SRCS   := $(wildcard user/snapshot/*.c)
snapshot_INC    := -Iuser/base -Iuser/snapshot -Isymbolizer
symbolizer_SRCS := $(wildcard symbolizer/*.c)
symbolizer_INC  := -Isymbolizer -Iuser/base
reader_SRCS     := $(wildcard user/reader/*.c)
reader_INC      := -Iuser/reader -Iuser/base -Isymbolizer
exporters_SRCS  := $(wildcard exporters/*.c)
exporters_ASM   := $(wildcard exporters/*.S)
exporters_INC   := -Iexporters -Iuser/base -Iuser/snapshot -Isymbolizer
http_SRCS       := $(wildcard exporters/http/*.c)
http_INC        := -Iexporters/http -Iuser/base
user_SRCS       := $(wildcard user/*.c)
user_INC        := -Iuser -Iuser/base -Iuser/snapshot -Iuser/reader -Isymbolizer -Iexporters -Iexporters/http -Ibpf -I$(O)

LIB_OBJS := $(patsubst %.c,$(O)/%.o,$(base_SRCS) $(snapshot_SRCS) $(symbolizer_SRCS) $(reader_SRCS) $(exporters_SRCS) \
	      $(http_SRCS) $(filter-out user/main.c,$(user_SRCS))) $(patsubst %.S,$(O)/%.o,$(exporters_ASM))
LIB      := $(O)/libukprof.a

DEPS     = -MMD -MP -MF $@.d
say      = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' $(1) $@;)
compile  = $(call say,CC)$(CC) -std=gnu11 -D_GNU_SOURCE -DUKPROF_VERSION='"$(VERSION)"' \
	   $(CFLAGS) $(HARDEN) $(SANFLAGS) $(WARN) $(1) $(DEPS) -c $< -o $@

all: $(O)/ukprof

$(O)/user/base/%.o: user/base/%.c
	@mkdir -p $(@D)
	$(call compile,$(base_INC))

$(O)/user/snapshot/%.o: user/snapshot/%.c
	@mkdir -p $(@D)
	$(call compile,$(snapshot_INC))

$(O)/symbolizer/%.o: symbolizer/%.c
	@mkdir -p $(@D)
	$(call compile,$(symbolizer_INC))

$(O)/user/reader/%.o: user/reader/%.c
	@mkdir -p $(@D)
	$(call compile,$(reader_INC))

$(O)/exporters/%.o: exporters/%.c
	@mkdir -p $(@D)
	$(call compile,$(exporters_INC))

$(O)/exporters/http/%.o: exporters/http/%.c
	@mkdir -p $(@D)
	$(call compile,$(http_INC))

# Embedded files (.incbin); the file that is embedded is a prerequisite named by the .S rule's folder.
$(O)/exporters/%.o: exporters/%.S $(wildcard exporters/web/*)
	@mkdir -p $(@D)
	$(call say,AS)$(CC) -Iexporters -Wa,-I$(O)/exporters $(DEPS) -c $< -o $@

$(O)/user/%.o: user/%.c $(O)/ukprof.skel.h
	@mkdir -p $(@D)
	$(call compile,$(user_INC))

$(LIB): $(LIB_OBJS)
	$(call say,AR)rm -f $@ && $(AR) rcs $@ $^

$(O)/ukprof: $(O)/user/main.o $(LIB)
	$(call say,LD)$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

# --- BPF ---

$(O)/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF)$(CLANG) -O2 -g -mcpu=v2 -Wall -Wextra -Wno-unused-parameter -Werror -target bpf \
		-D__TARGET_ARCH_x86 -I. -Ibpf -Isymbolizer $(DEPS) -c $< -o $@

$(O)/ukprof.skel.h: $(O)/ukprof.bpf.o
	$(call say,SKEL)$(BPFTOOL) gen skeleton $< name ukprof_bpf > $@

# --- unit tests: tests/unit/test_NAME.c is one cmocka program, linked with the library ---

UNIT_TESTS := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test_*.c))
UNIT_INC   := $(exporters_INC) -Iexporters/http -Iuser -Iuser/reader -Ibpf -Itests/unit -I$(O)

$(O)/unit/%.o: tests/unit/%.c
	@mkdir -p $(@D)
	$(call compile,$(UNIT_INC))

$(O)/unit/%: $(O)/unit/%.o $(LIB)
	$(call say,LD)$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@

# --- exporters ---

# The pages' policies name their scripts and style sheets by their SHA-256 in base64. What a page has inline is
# the files one after the other.
WEB      := exporters/web
page_JS  := $(WEB)/flame.js $(WEB)/viewer.js
page_CSS := $(WEB)/viewer.css
live_JS  := $(WEB)/flame.js $(WEB)/live.js
live_CSS := $(WEB)/viewer.css $(WEB)/live.css
hash      = $$({ $(1); } | sha256sum | cut -c1-64 | tr a-f A-F | basenc --base16 -d | base64)

$(O)/exporters/web_hash.h: $(page_JS) $(page_CSS) $(live_JS) $(live_CSS)
	@mkdir -p $(@D)
	$(call say,GEN)printf '#define WEB_%s_SHA256 "%s"\n' JS "$(call hash,cat $(page_JS))" CSS "$(call hash,cat $(page_CSS))" \
		LIVE_JS "$(call hash,echo; cat $(live_JS))" LIVE_CSS "$(call hash,echo; cat $(live_CSS))" > $@

# {{js}} and {{css}} stand on lines of their own between their tags, so that a new line comes before the files.
$(O)/exporters/live_page.html: $(WEB)/live.html $(live_JS) $(live_CSS)
	@mkdir -p $(@D)
	$(call say,GEN)sed -e "s|{{js-hash}}|$(call hash,echo; cat $(live_JS))|; s|{{css-hash}}|$(call hash,echo; cat $(live_CSS))|" \
		$(foreach f,$(live_JS),-e '/{{js}}/r $(f)') -e '/{{js}}/d' \
		$(foreach f,$(live_CSS),-e '/{{css}}/r $(f)') -e '/{{css}}/d' $< > $@

$(O)/exporters/web.o: $(O)/exporters/live_page.html
$(O)/exporters/html.o $(O)/exporters/live_page.o: $(O)/exporters/web_hash.h
$(O)/exporters/html.o $(O)/exporters/live_page.o: exporters_INC += -I$(O)/exporters

# Tests that compare with tests/golden/; they run in the top folder.
EXPORT_GOLDENS := $(addprefix $(O)/unit/test_,folded pprof svg html metrics host_json)

golden-update: $(EXPORT_GOLDENS)
	$(foreach t,$(EXPORT_GOLDENS),GOLDEN_UPDATE=1 $(t) >/dev/null &&) git status --short tests/golden

# Fails allocations one by one, also those of the objects in the library.
$(O)/unit/test_export_nomem: LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc reallocarray strdup free)
$(O)/unit/test_http_nomem: LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc reallocarray strdup)

# Profiles and pages for readers that are not ours; tests/interop/run compares.
$(O)/interop/%.o: tests/interop/%.c
	@mkdir -p $(@D)
	$(call compile,$(UNIT_INC))

$(O)/interop/make_%: $(O)/interop/make_%.o $(LIB)
	$(call say,LD)$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@

test-interop: $(O)/interop/make_profiles $(O)/interop/make_metrics $(O)/interop/make_live
	tests/interop/run $(O)

.PHONY: golden-update test-interop

# --- everything ---

# Packages first: a fresh machine has none of what the rest needs.
test:
	dist/packages test interop
	$(MAKE) -j2 all guests
	O=$(O) tests/run

.PHONY: test

# --- check ---

# Every header compiles on its own, with no more than its folder's include path. Those of the BPF side belong
# to the one program that includes them; guest_walk.h asks for functions first.
base_HDRS       := $(wildcard user/base/*.h)
snapshot_HDRS   := $(wildcard user/snapshot/*.h)
symbolizer_HDRS := $(wildcard symbolizer/*.h)
reader_HDRS     := $(wildcard user/reader/*.h)
exporters_HDRS  := $(wildcard exporters/*.h)
http_HDRS       := $(wildcard exporters/http/*.h)
user_HDRS       := $(wildcard user/*.h)
bpf_HDRS        := bpf/ukprof_abi.h
bpf_INC         := -Isymbolizer -include linux/types.h

check_header = $(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -Werror -fsyntax-only $(2) -include $(1) -x c /dev/null

check-headers: $(O)/ukprof.skel.h
	@$(foreach f,base snapshot symbolizer reader exporters http user bpf,$(foreach h,$($(f)_HDRS), \
		$(call check_header,$(h),$($(f)_INC)) &&)) echo "ok headers"

# What has rights parses no foreign file: only user/reader may use what does, and only in its child.
PARSERS := image__(open|open_fd|attach) debug_file__(try|attach) (symtab|unwind_table|image_names)__new lines__open \
	   symbolizer__add_image locate__(find|check) (elf|gelf|dwarf)_.*
RIGHTED := $(filter-out $(O)/user/reader/reader_child.o,$(filter $(O)/user/% $(O)/exporters/%,$(LIB_OBJS)))

check-readers: $(LIB)
	@if nm -A -u $(RIGHTED) | grep -E $(foreach p,$(PARSERS),-e ' U $(p)$$'); then \
		echo "not ok readers: who has rights parses foreign files" >&2; exit 1; else echo "ok readers"; fi

check: check-headers check-readers $(UNIT_TESTS)
	@ASAN_OPTIONS=detect_leaks=1 tests/unit/run $(UNIT_TESTS)

.PHONY: check check-headers check-readers

# --- fuzzing: tests/fuzz/fuzz_NAME.c is one libFuzzer program; one minute each, FUZZ_SECONDS=N for more ---

FUZZERS  := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_INC := $(UNIT_INC) -Itests/fuzz
FUZZ_LIB := $(O)/fuzz/lib/libukprof.a

# The library once more, by the compiler that counts what is reached.
$(FUZZ_LIB): $(LIB) FORCE
	@$(MAKE) --no-print-directory O=$(O)/fuzz/lib CC=$(CLANG) CFLAGS="-O1 -g" \
		SANFLAGS="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined" $@

$(O)/fuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.h $(FUZZ_LIB)
	$(call say,FUZZ)$(CLANG) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) $(FUZZ_INC) -fsanitize=address,undefined,fuzzer \
		-fno-sanitize-recover=undefined $< $(FUZZ_LIB) $(LDLIBS) -o $@

$(O)/fuzz/make_seeds: tests/fuzz/make_seeds.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(WARN) $(FUZZ_INC) $< $(LIB) $(LDLIBS) -lcmocka -o $@

fuzz:
	dist/packages fuzz
	$(MAKE) run-fuzz

run-fuzz: $(FUZZERS) $(O)/fuzz/make_seeds $(UNIT_TESTS) guests
	tests/fuzz/run $(O)

FORCE:
.PHONY: fuzz run-fuzz FORCE

# --- install ---

install: $(O)/ukprof
	install -D -m 755 $(O)/ukprof $(DESTDIR)$(PREFIX)/bin/ukprof
	install -D -m 644 docs/ukprof.1 $(DESTDIR)$(PREFIX)/share/man/man1/ukprof.1
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@PREFIX@|$(PREFIX)|' dist/systemd/ukprof.service > $(DESTDIR)$(UNITDIR)/ukprof.service
	install -m 644 dist/systemd/ukprof.socket $(DESTDIR)$(UNITDIR)/ukprof.socket
	chmod 644 $(DESTDIR)$(UNITDIR)/ukprof.service

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
# Its debug information names its files as Unikraft's would be called.
$(eval $(call guest-rule,shares-uk.dbg,shares,$(GUEST_FP) -fno-asynchronous-unwind-tables \
	-fno-unwind-tables -fdebug-prefix-map=tests/guest/lib.c=/src/unikraft/lib/ukboot/lib.c \
	-fdebug-prefix-map=tests/guest/shares.c=/src/unikraft/lib/ukwork/shares.c,0x100000,0))
$(eval $(call guest-rule,deep,deep,$(GUEST_FP),0x200000,0))
$(eval $(call guest-rule,deep-nofp,deep,$(GUEST_NOFP),0x200000,0))
# As Unikraft built without frame pointers: .debug_frame is all that unwinds it.
$(eval $(call guest-rule,callers,callers,$(GUEST_NOFP) -fno-asynchronous-unwind-tables -fno-unwind-tables,0x100000,0))
# As Unikraft with musl, whose memcpy() is assembler that nothing describes.
$(eval $(call guest-rule,callers-asm,callers,$(GUEST_FP) -DHOT_IN_ASM,0x100000,0))
# Neither unwind tables nor frame pointers, as ToroKernel: the code itself is all that is known.
$(eval $(call guest-rule,shares-bare.g,shares,$(GUEST_NOFP) -fno-asynchronous-unwind-tables -fno-unwind-tables,0x200000,0))
$(eval $(call guest-rule,fanin-bare.g,fanin,$(GUEST_NOFP) -fno-asynchronous-unwind-tables -fno-unwind-tables,0x200000,0))
BARE := $(addprefix $(GUEST_OUT)/,shares-bare fanin-bare hostile-bare)
GUESTS += $(BARE)
$(BARE): $(GUEST_OUT)/%-bare: $(GUEST_OUT)/%-bare.g
	$(call GUEST_SAY,STRIP)objcopy -g -R .eh_frame -R .eh_frame_hdr $< $@
$(eval $(call guest-rule,threads,threads,$(GUEST_FP),0x200000,0))
$(eval $(call guest-rule,irq,irq,$(GUEST_NOFP),0x200000,0))
# A kernel with a second image in it, which it loads.
$(eval $(call guest-rule,pair,pair,$(GUEST_FP) '-DAPP_FILE="$(GUEST_OUT)/pair-app"',0x200000,0))
$(GUEST_OUT)/pair: $(GUEST_OUT)/pair-app tests/guest/pair.h
GUESTS += $(GUEST_OUT)/pair-app
$(GUEST_OUT)/pair-app: tests/guest/pair_app.c tests/guest/pair.h $(GUEST_HDRS)
	@mkdir -p $(@D)
	$(call GUEST_SAY,GUEST)$(GUEST_CC) $(filter-out -Wl$(GUEST_COMMA)-T%,$(GUEST_FLAGS)) $(GUEST_NOFP) -fpie -static-pie \
		-Wl,--no-dynamic-linker -Wl,-e,app_start $< -o $@
$(eval $(call guest-rule,exits,exits,$(GUEST_FP),0x200000,0))
$(eval $(call guest-rule,exits-nofp,exits,$(GUEST_NOFP),0x200000,0))
$(eval $(call guest-rule,pioloop,pioloop,$(GUEST_FP),0x200000,0))
$(eval $(call guest-rule,idle,idle,$(GUEST_FP),0x200000,0))
# With tables, and by frame pointers alone.
$(eval $(call guest-rule,hostile,hostile,$(GUEST_FP),0x200000,0))
$(eval $(call guest-rule,hostile-bare.g,hostile,$(GUEST_FP) -fno-asynchronous-unwind-tables -fno-unwind-tables,0x200000,0))
# Two source files; no shrink-wrapping, so that early returns have a frame too.
$(eval $(call guest-rule,demo,demo,$(GUEST_FP) -fno-shrink-wrap tests/guest/demo_kit.c,0x200000,0))
$(GUEST_OUT)/demo: tests/guest/demo_kit.c tests/guest/demo.h

# One source, whatever a compiler makes of it: fanin-COMPILER-LEVEL-fp|nofp. What only gcc knows clang is not told.
GUEST_LEVELS := O0 O2 O3lto
GUEST_O0     := -O0
GUEST_O2     := -O2
GUEST_O3lto  := -O3 -flto
GUEST_fp     := -fno-omit-frame-pointer
GUEST_nofp   := -fomit-frame-pointer
GUEST_clang  := $(filter-out -fno-ipa-% -mno-omit-leaf-frame-pointer,$(GUEST_FLAGS)) -fuse-ld=lld -Wno-unused-command-line-argument
GUEST_gcc    := $(GUEST_FLAGS)
FANIN        := $(foreach c,gcc clang,$(foreach l,$(GUEST_LEVELS),$(foreach f,fp nofp,fanin-$(c)-$(l)-$(f))))

define fanin-rule
GUESTS += $$(GUEST_OUT)/$(1)
$$(GUEST_OUT)/$(1): tests/guest/fanin.c $$(GUEST_LIB) $$(GUEST_HDRS)
	@mkdir -p $$(@D)
	$$(call GUEST_SAY,GUEST)$(2) $$(GUEST_$(2)) $$(GUEST_$(3)) $$(GUEST_$(4)) -DLINEAR=0 -Wl,--defsym=BASE=0x200000 \
		-Wl,--defsym=LINEAR=0 tests/guest/boot.S tests/guest/lib.c $$< -o $$@
endef
$(foreach g,$(FANIN),$(eval $(call fanin-rule,$(g),$(word 2,$(subst -, ,$(g))),$(word 3,$(subst -, ,$(g))),$(word 4,$(subst -, ,$(g))))))

GUESTS += $(GUEST_OUT)/shares-stripped $(GUEST_OUT)/shares-uk
$(GUEST_OUT)/shares-stripped: $(GUEST_OUT)/shares
	$(call GUEST_SAY,STRIP)strip -o $@ $<
$(GUEST_OUT)/shares-uk: $(GUEST_OUT)/shares-uk.dbg
	$(call GUEST_SAY,STRIP)objcopy -S -O elf32-i386 $< $@

$(GUEST_OUT)/ukvmm: tests/guest/vmm.c tests/guest/guest_abi.h
	@mkdir -p $(@D)
	$(call GUEST_SAY,CC)$(CC) -std=gnu11 -O2 -g -fno-omit-frame-pointer -Wall -Wextra $(CFLAGS) -Itests/guest $< -o $@ -pthread

guests: $(GUEST_OUT)/ukvmm $(GUESTS)

.PHONY: guests
# --- end of test guests ---

# What test_unwind_table and test_unwinding read: the guests, and odd_cfi with its tables plain and compressed.
$(O)/unit/odd_cfi: tests/unit/odd_cfi.S
	@mkdir -p $(@D)
	$(call say,AS)for part in 1 2 3; do $(CC) -DPART=$$part -c $< -o $@.$$part.o || exit 1; done; \
		$(CC) -nostdlib -static -no-pie -Wl,--build-id=none $@.1.o $@.2.o $@.3.o -o $@

$(O)/unit/odd_cfi.z: $(O)/unit/odd_cfi
	$(call say,OBJCPY)objcopy --compress-debug-sections=zlib $< $@

# What test_debug_file strips: with a build-id, without one, and of another build.
SPLIT_IDS := with_id without_id other_id
with_id_LDFLAGS    := -Wl,--build-id=0x0123456789abcdef
without_id_LDFLAGS := -Wl,--build-id=none
other_id_LDFLAGS   := -Wl,--build-id=0x0123456789abcdee

$(SPLIT_IDS:%=$(O)/unit/%): $(O)/unit/%: tests/unit/split.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -O1 -g -ffreestanding -fno-pie -fno-asynchronous-unwind-tables -fno-stack-protector -fcf-protection=none \
		-nostdlib -static -no-pie $($*_LDFLAGS) $< -o $@

$(O)/unit/test_debug_file: | $(SPLIT_IDS:%=$(O)/unit/%)

$(O)/unit/test_unwind_table: | $(O)/unit/odd_cfi $(O)/unit/odd_cfi.z guests
$(O)/unit/test_unwinding: | guests

# --- bench ---
# Prints figures beside their budgets; never fails on time. Takes about twenty minutes, eight without the part
# "exits", which needs a lab: tests/bench/run bpf user guest report metrics http. Compares with: dist/packages bench.

$(O)/bench/%.o: tests/bench/%.c
	@mkdir -p $(@D)
	$(call compile,$(exporters_INC) $(http_INC) -Iuser/reader)

$(O)/bench/%: $(O)/bench/%.o $(LIB)
	$(call say,LD)$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

bench: $(O)/ukprof guests $(O)/bench/metrics $(O)/bench/http_server $(O)/bench/unwind $(O)/bench/symbols
	B=$(O) tests/bench/run

.PHONY: bench

# --- from nothing to a flame graph ---

demo:
	@O='$(O)' exec dist/demo

.PHONY: demo

clean:
	rm -rf build

.PHONY: all install clean
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(O) -name '*.d' 2>/dev/null)
