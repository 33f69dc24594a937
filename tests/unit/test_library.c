/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library of a source file, over paths as the build systems of unikernels make them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "library.h"

struct unit {
	const char *dir;
	const char *name;
	const char *library; /* "": the path says nothing */
};

static const char *path_of(char *buf, const struct unit *u)
{
	return library__path(buf, u->dir, u->name) ? strdup(buf) : NULL;
}

/* All units of one image: the root comes from them, so the rule is tested as it is used. */
static void check_image(const char *image, const struct unit *units, const char *want_root)
{
	char buf[LIBRARY_MAX_PATH], root[LIBRARY_MAX_PATH], name[LIBRARY_MAX_NAME];
	const char *paths[64], *votes[64];
	size_t nr = 0, i;

	for (i = 0; units[i].library; i++) {
		paths[nr] = path_of(buf, &units[i]);
		nr += paths[nr] != NULL;
	}
	memcpy(votes, paths, nr * sizeof(*paths));
	assert_int_equal(library__root(root, votes, nr), strlen(want_root));
	if (strcmp(root, want_root))
		fail_msg("%s: root is '%s', not '%s'", image, root, want_root);
	for (i = 0; units[i].library; i++) {
		name[0] = '\0';
		if (!library__path(buf, units[i].dir, units[i].name) || !library__name(name, root, buf))
			name[0] = '\0';
		if (strcmp(name, units[i].library))
			fail_msg("%s: %s is of '%s', not of '%s'", image, units[i].name, name, units[i].library);
	}
	for (i = 0; i < nr; i++)
		free((char *)paths[i]);
}

#define END { NULL, NULL, NULL }

static void unikraft(void **state)
{
	/* Names are absolute; comp_dir is the application's build directory. */
	static const struct unit units[] = {
		{ "/home/u/app/build", "/home/u/unikraft/lib/ukalloc/alloc.c", "lib/ukalloc" },
		{ "/home/u/app/build", "/home/u/unikraft/lib/ukalloc/stats.c", "lib/ukalloc" },
		{ "/home/u/app/build", "/home/u/unikraft/lib/ukboot/boot.c", "lib/ukboot" },
		{ "/home/u/app/build", "/home/u/unikraft/lib/posix-process/arch/x86_64/clone.c", "lib/posix-process" },
		{ "/home/u/app/build", "/home/u/unikraft/plat/kvm/x86/setup.c", "plat/kvm" },
		{ "/home/u/app/build", "/home/u/unikraft/plat/common/x86/lcpu.c", "plat/common" },
		{ "/home/u/app/build", "/home/u/unikraft/drivers/virtio/net/virtio_net.c", "drivers/virtio/net" },
		{ "/home/u/app/build", "/home/u/unikraft/drivers/ukconsole/ns16550.c", "drivers/ukconsole" },
		{ "/home/u/app/build", "/home/u/unikraft/arch/x86/x86_64/ctx.c", "arch/x86" },
		{ "/home/u/app/build", "/home/u/app/.unikraft/libs/lwip/sockets.c", "libs/lwip" },
		{ "/home/u/app/build", "/home/u/libs/lwip/uknetdev.c", "libs/lwip" },
		{ "/home/u/app/build", "/home/u/app/build/liblwip/origin/lwip-2.1.2/src/core/tcp_in.c", "libs/lwip" },
		{ "/home/u/app/build", "/home/u/app/build/libmusl/origin/musl-1.2.3/src/string/memcpy.c", "libs/musl" },
		{ "/home/u/app/build", "/home/u/app/build/libsyscall_shim/uk_syscall6_r.c", "lib/syscall_shim" },
		{ "/home/u/app/build", "/home/u/app/main.c", "app" },
		{ "/home/u/app/build", "/home/u/app/src/http/parse.c", "app/src/http" },
		END
	};

	(void)state;
	check_image("unikraft", units, "/home/u/");
}

/* One library alone, or all on one shelf: the shelf is not taken for the place where it was built. */
static void shelves_stay(void **state)
{
	static const struct unit one[] = {
		{ "/b", "/home/u/unikraft/lib/ukalloc/alloc.c", "lib/ukalloc" },
		{ "/b", "/home/u/unikraft/lib/ukalloc/stats.c", "lib/ukalloc" },
		END
	};
	static const struct unit shelf[] = {
		{ "/b", "/home/u/lib/work/unikraft/lib/ukalloc/alloc.c", "lib/ukalloc" },
		{ "/b", "/home/u/lib/work/unikraft/lib/uksched/sched.c", "lib/uksched" },
		END
	};

	(void)state;
	check_image("one library", one, "/home/u/unikraft/");
	check_image("one shelf", shelf, "/home/u/lib/work/unikraft/");
}

static void nanos(void **state)
{
	static const struct unit units[] = {
		{ "/home/u/nanos/platform/pc", "/home/u/nanos/src/kernel/schedule.c", "src/kernel" },
		{ "/home/u/nanos/platform/pc", "/home/u/nanos/src/kernel/mutex.c", "src/kernel" },
		{ "/home/u/nanos/platform/pc", "/home/u/nanos/src/runtime/bitmap.c", "src/runtime" },
		{ "/home/u/nanos/platform/pc", "/home/u/nanos/src/x86_64/crt0.s", "src/x86_64" },
		{ "/home/u/nanos/platform/pc", "/home/u/nanos/src/fs/tfs.c", "src/fs" },
		{ "/home/u/nanos/platform/pc", "/home/u/nanos/src/unix/ftrace.c", "src/unix" },
		{ "/home/u/nanos/platform/pc", "/home/u/nanos/vendor/lwip/src/core/tcp.c", "vendor/lwip" },
		{ "/home/u/nanos/platform/pc", "/home/u/nanos/vendor/mbedtls/library/aes.c", "vendor/mbedtls" },
		{ "/home/u/nanos/platform/pc", "service.c", "platform/pc" },
		END
	};

	(void)state;
	check_image("nanos", units, "/home/u/nanos/");
}

static void osv(void **state)
{
	/* Relative to a build directory; the compiler's run time comes from elsewhere. */
	static const struct unit units[] = {
		{ "/home/u/osv/build/release.x64", "../../core/mempool.cc", "core" },
		{ "/home/u/osv/build/release.x64", "../../core/sched.cc", "core" },
		{ "/home/u/osv/build/release.x64", "../../bsd/sys/netinet/tcp_input.cc", "bsd/sys/netinet" },
		{ "/home/u/osv/build/release.x64", "../../musl_1.1.24/src/string/strlen.c", "musl_1.1.24/src/string" },
		{ "/home/u/osv/build/release.x64", "../../drivers/virtio-net.cc", "drivers" },
		{ "/home/u/osv/build/release.x64", "../../arch/x64/./entry.S", "arch/x64" },
		{ "/home/u/osv/build/release.x64", "../../fs/vfs/vfs_mount.cc", "fs/vfs" },
		{ "/home/u/osv/build/release.x64", "../../external/x64/acpica/source/components/utilities/utmath.c",
		  "external/x64/acpica" },
		{ "/home/u/osv/build/release.x64", "../../modules/httpserver/main.cc", "modules/httpserver" },
		{ "/build/gcc-12/build/x86_64-linux-gnu/libgcc", "../../../src/libgcc/unwind-dw2.c", "src/libgcc" },
		END
	};

	(void)state;
	check_image("osv", units, "/home/u/osv/");
}

static void solo5(void **state)
{
	static const struct unit units[] = {
		{ "/home/u/solo5/bindings", "hvt/start.c", "bindings/hvt" },
		{ "/home/u/solo5/bindings", "kernel.c", "bindings" },
		{ "/home/u/solo5/bindings", "cpu_x86_64.c", "bindings" },
		{ "/home/u/solo5/tests/test_hello", "test_hello.c", "tests/test_hello" },
		/* What ocamlopt hands to the assembler. */
		{ "/home/u/solo5/x", "/tmp/camlasm3f1c2a.s", "" },
		END
	};
	/* As it is built since -ffile-prefix-map: the tree's own directory is "." there; an application has a real one. */
	static const struct unit mapped[] = {
		{ "./bindings", "hvt/start.c", "bindings/hvt" },
		{ "./bindings", "hvt/../crt.c", "bindings" },
		{ "./bindings", "cpu_x86_64.c", "bindings" },
		{ "./bindings", "printf.c", "bindings" },
		{ "./bindings", "mem.c", "bindings" },
		{ "./bindings", "tls.c", "bindings" },
		{ "./bindings", "virtio/virtio_net.c", "bindings/virtio" },
		{ ".", "lib/a/b/c/d.c", "lib/a" },
		{ ".", "main.c", "" },
		{ "/home/u/service", "service.c", "service" },
		END
	};
	static const struct unit all_mapped[] = {
		{ ".", "src/a/b/c/d.c", "src/a/b" },
		{ ".", "src/a/e.c", "src/a" },
		{ "../tree", "src/a/e.c", "tree/src/a" },
		END
	};
	static const struct unit ocaml[] = {
		{ "/home/o/.opam/4.14/.opam-switch/build/ocaml/runtime", "minor_gc.c", "runtime" },
		{ "/home/o/.opam/4.14/.opam-switch/build/ocaml/runtime", "major_gc.c", "runtime" },
		END
	};

	(void)state;
	check_image("solo5", units, "/home/u/solo5/");
	check_image("solo5, prefix map", mapped, "/home/u/service/");
	check_image("only prefix map", all_mapped, "");
	check_image("ocaml", ocaml, "/home/o/.opam/4.14/.opam-switch/build/ocaml/runtime/");
}

static void hermit(void **state)
{
	static const struct unit units[] = {
		{ "/home/u/kernel", "src/lib.rs/@/hermit.6ca1fbbe3c2d-cgu.0", "src" },
		{ "/home/u/kernel", "src/mm/allocator.rs", "src/mm" },
		{ "/home/u/kernel", "hermit-entry/src/lib.rs", "hermit-entry/src" },
		{ "/home/u/.cargo/registry/src/index.crates.io-6f17d22bba15001f/smoltcp-0.11.0",
		  "src/lib.rs/@/smoltcp.9d3-cgu.3", "crates/smoltcp" },
		{ "/home/u/.cargo/registry/src/index.crates.io-6f17d22bba15001f/x86_64-0.14.1", "src/lib.rs",
		  "crates/x86_64" },
		{ "/rustc/9fc6b43126469e3858e2fe86cafb4f0fd5068869", "library/core/src/lib.rs/@/core.8e3-cgu.0",
		  "library/core" },
		END
	};

	(void)state;
	check_image("hermit", units, "/home/u/kernel/");
}

/* Strings of a file that may hold anything. */
static void odd_paths_do_no_harm(void **state)
{
	char path[LIBRARY_MAX_PATH], root[LIBRARY_MAX_PATH], name[LIBRARY_MAX_NAME], *huge = malloc(3 * LIBRARY_MAX_PATH);
	size_t i;

	(void)state;
	assert_non_null(huge);
	assert_int_equal(library__path(path, NULL, NULL), 0);
	assert_int_equal(library__path(path, "/a", ""), 0);
	assert_int_equal(library__path(path, "/a", "../../../.."), 0);
	assert_int_equal(library__path(path, NULL, "a.c"), 4);
	assert_string_equal(path, "/a.c");
	assert_int_equal(library__name(name, "", path), 0);
	assert_int_equal(library__name(name, "/", path), 0);
	assert_int_equal(library__path(path, "/x//./y", "..//z/./a.c"), strlen("/x/z/a.c"));
	assert_string_equal(path, "/x/z/a.c");
	assert_int_equal(library__root(name, NULL, 0), 0);

	/* Too long altogether, then one part too long for a name, then more parts than are looked at. */
	memset(huge, 'a', 3 * LIBRARY_MAX_PATH);
	huge[3 * LIBRARY_MAX_PATH - 1] = '\0';
	assert_int_equal(library__path(path, "/b", huge), 0);
	assert_int_equal(library__path(path, huge, "a.c"), 0);
	strcpy(huge + 2000, "/a.c");
	assert_int_not_equal(library__path(path, "/lib", huge), 0);
	assert_true(library__name(name, "", path) < LIBRARY_MAX_NAME);
	for (i = 0; i < 2 * LIBRARY_MAX_PATH / 3; i += 2)
		memcpy(huge + i, "/b", 2);
	strcpy(huge + i, "/a.c");
	assert_int_not_equal(library__path(path, NULL, huge), 0);
	assert_int_not_equal(library__name(name, "", path), 0);
	assert_in_range(library__root(root, &(const char *){ path }, 1), 2, strlen(path));
	free(huge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unikraft),
		cmocka_unit_test(shelves_stay),
		cmocka_unit_test(nanos),
		cmocka_unit_test(osv),
		cmocka_unit_test(solo5),
		cmocka_unit_test(hermit),
		cmocka_unit_test(odd_paths_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
