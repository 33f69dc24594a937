/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MAX_TEXT_LEN (1ULL << 30) /* bytes of code: more is no unikernel but an attack on our memory */

struct image {
	char *path;
	char *build_id;
	int fd;
	Elf *elf;
	uint64_t file_size;
	uint64_t entry;
	uint64_t base;
	bool is_pic;
	struct image *debug; /* or NULL */
	size_t nr_texts;
	struct image_text texts[IMAGE_MAX_TEXTS];
};

const char *image__verdict_str(enum image_verdict verdict)
{
	switch (verdict) {
	case IMAGE_OK:
		return "fine";
	case IMAGE_UNREADABLE:
		return "can't be read";
	case IMAGE_NOT_ELF:
		return "not an ELF file";
	case IMAGE_TRUNCATED:
		return "ELF file is cut short";
	case IMAGE_32BIT:
		return "32-bit ELF file";
	case IMAGE_OTHER_MACHINE:
		return "ELF file for another processor than x86-64";
	case IMAGE_NOT_LINKED:
		return "object or core file, not a linked image";
	case IMAGE_NO_CODE:
		return "ELF file without code";
	case IMAGE_MALFORMED:
		return "malformed ELF file";
	case IMAGE_NO_MEMORY:
		return "out of memory";
	case IMAGE_READER_DIED:
		return "could not be read safely: its reader crashed";
	case IMAGE_READER_LATE:
		return "could not be read safely: its reader ran out of time";
	case IMAGE_READER_MEMORY:
		return "could not be read safely: its reader ran out of memory";
	case IMAGE_READER_LIED:
		return "could not be read safely: its reader answered nonsense";
	}
	return "unknown";
}

const char *image__hint(enum image_verdict verdict)
{
	switch (verdict) {
	case IMAGE_UNREADABLE:
		return "check the path; for a VMM in a container, the path is that of the host";
	case IMAGE_32BIT:
		return "Unikraft boots a 32-bit file and leaves the symbols in its 64-bit twin: pass -s IMAGE.dbg";
	case IMAGE_TRUNCATED:
		return "copy or build the image again, and compare its size";
	case IMAGE_NOT_ELF:
	case IMAGE_OTHER_MACHINE:
	case IMAGE_NOT_LINKED:
	case IMAGE_NO_CODE:
	case IMAGE_MALFORMED:
		return "pass the unstripped unikernel that the guest runs: -s FILE";
	case IMAGE_READER_DIED:
	case IMAGE_READER_LATE:
	case IMAGE_READER_MEMORY:
	case IMAGE_READER_LIED:
		return "the file is damaged, or made to do harm: build the unikernel again, or pass another file: -s FILE";
	case IMAGE_OK:
	case IMAGE_NO_MEMORY:
		break;
	}
	return "";
}

static enum image_verdict read_at(const struct image *img, void *dst, uint64_t len, uint64_t offset)
{
	uint64_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(img->fd, (char *)dst + done, len - done, offset + done);
		if (n < 0)
			return IMAGE_UNREADABLE;
		if (!n)
			return IMAGE_TRUNCATED;
		done += n;
	}
	return IMAGE_OK;
}

static bool in_file(const struct image *img, uint64_t offset, uint64_t len)
{
	return offset <= img->file_size && len <= img->file_size - offset;
}

static enum image_verdict check_header(struct image *img)
{
	unsigned char ident[EI_NIDENT];
	Elf64_Ehdr ehdr;
	enum image_verdict verdict;

	verdict = read_at(img, ident, sizeof(ident), 0);
	if (verdict == IMAGE_UNREADABLE)
		return verdict;
	if (verdict || memcmp(ident, ELFMAG, SELFMAG))
		return IMAGE_NOT_ELF;
	if (ident[EI_CLASS] == ELFCLASS32)
		return IMAGE_32BIT;
	if (ident[EI_CLASS] != ELFCLASS64)
		return IMAGE_MALFORMED;
	if (ident[EI_DATA] != ELFDATA2LSB)
		return IMAGE_OTHER_MACHINE;
	verdict = read_at(img, &ehdr, sizeof(ehdr), 0);
	if (verdict)
		return verdict;
	if (ehdr.e_machine != EM_X86_64)
		return IMAGE_OTHER_MACHINE;
	if (ehdr.e_type != ET_EXEC && ehdr.e_type != ET_DYN)
		return IMAGE_NOT_LINKED;
	if (!in_file(img, ehdr.e_phoff, (uint64_t)ehdr.e_phnum * sizeof(Elf64_Phdr)) ||
	    !in_file(img, ehdr.e_shoff, (uint64_t)ehdr.e_shnum * sizeof(Elf64_Shdr)))
		return IMAGE_TRUNCATED;
	img->entry = ehdr.e_entry;
	img->is_pic = ehdr.e_type == ET_DYN;
	return IMAGE_OK;
}

static enum image_verdict add_text(struct image *img, const GElf_Phdr *ph)
{
	struct image_text *text;
	enum image_verdict verdict;
	uint8_t *bytes;
	uint64_t sum = 0;
	size_t i;

	if (!in_file(img, ph->p_offset, ph->p_filesz))
		return IMAGE_TRUNCATED;
	for (i = 0; i < img->nr_texts; i++)
		sum += img->texts[i].len;
	if (img->nr_texts == IMAGE_MAX_TEXTS || ph->p_filesz > MAX_TEXT_LEN - sum ||
	    ph->p_vaddr + ph->p_filesz < ph->p_vaddr)
		return IMAGE_MALFORMED;
	bytes = malloc(ph->p_filesz);
	if (!bytes)
		return IMAGE_NO_MEMORY;
	verdict = read_at(img, bytes, ph->p_filesz, ph->p_offset);
	if (verdict) {
		free(bytes);
		return verdict;
	}
	text = &img->texts[img->nr_texts++];
	text->addr = ph->p_vaddr;
	text->paddr = ph->p_paddr;
	text->len = ph->p_filesz;
	text->offset = ph->p_offset;
	text->bytes = bytes;
	return IMAGE_OK;
}

static enum image_verdict read_texts(struct image *img)
{
	enum image_verdict verdict;
	GElf_Phdr ph;
	size_t i, nr;

	if (elf_getphdrnum(img->elf, &nr))
		return IMAGE_MALFORMED;
	img->base = UINT64_MAX;
	for (i = 0; i < nr; i++) {
		if (!gelf_getphdr(img->elf, i, &ph))
			return IMAGE_MALFORMED;
		if (ph.p_type == PT_LOAD && ph.p_memsz && ph.p_vaddr / 4096 * 4096 < img->base)
			img->base = ph.p_vaddr / 4096 * 4096;
		if (ph.p_type != PT_LOAD || !(ph.p_flags & PF_X) || !ph.p_filesz)
			continue;
		verdict = add_text(img, &ph);
		if (verdict)
			return verdict;
	}
	return img->nr_texts ? IMAGE_OK : IMAGE_NO_CODE;
}

/* All symbol and string tables must lie in the file: libelf would find out late, one symbol at a time. */
static enum image_verdict check_sections(struct image *img)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(img->elf, scn))) {
		if (!gelf_getshdr(scn, &sh))
			return IMAGE_MALFORMED;
		if (sh.sh_type != SHT_NOBITS && sh.sh_type != SHT_NULL && !in_file(img, sh.sh_offset, sh.sh_size))
			return IMAGE_TRUNCATED;
	}
	return IMAGE_OK;
}

static char *hex(const uint8_t *bytes, size_t len)
{
	char *str = malloc(2 * len + 1);
	size_t i;

	for (i = 0; str && i < len; i++) {
		str[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		str[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	if (str)
		str[2 * len] = '\0';
	return str;
}

static enum image_verdict find_build_id(struct image *img)
{
	size_t off, name, desc;
	Elf_Scn *scn = NULL;
	Elf_Data *data;
	GElf_Nhdr nh;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(img->elf, scn))) {
		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_NOTE)
			continue;
		data = elf_getdata(scn, NULL);
		for (off = 0; data && (off = gelf_getnote(data, off, &nh, &name, &desc));) {
			if (nh.n_type != NT_GNU_BUILD_ID || nh.n_namesz != 4 || !nh.n_descsz ||
			    nh.n_descsz > IMAGE_MAX_BUILD_ID || memcmp((char *)data->d_buf + name, "GNU", 4))
				continue;
			img->build_id = hex((uint8_t *)data->d_buf + desc, nh.n_descsz);
			return img->build_id ? IMAGE_OK : IMAGE_NO_MEMORY;
		}
	}
	return IMAGE_OK;
}

int image__open_file(const char *path)
{
	struct stat st;
	int fd, err;

	/* O_NONBLOCK: a named pipe in place of a file must not hang us. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (!err)
		return fd;
	close(fd);
	return err;
}

enum image_verdict image__open_fd(struct image **out, int fd, const char *path, bool is_debug)
{
	enum image_verdict verdict;
	struct image *img;
	struct stat st;
	int saved;

	img = elf_version(EV_CURRENT) == EV_NONE ? NULL : calloc(1, sizeof(*img));
	if (!img) {
		close(fd);
		return IMAGE_NO_MEMORY;
	}
	img->fd = fd;
	verdict = IMAGE_UNREADABLE;
	if (fstat(fd, &st))
		goto err;
	img->file_size = st.st_size;
	verdict = IMAGE_NO_MEMORY;
	img->path = strdup(path);
	if (!img->path)
		goto err;
	verdict = check_header(img);
	if (verdict)
		goto err;
	verdict = IMAGE_MALFORMED;
	img->elf = elf_begin(img->fd, ELF_C_READ, NULL);
	if (!img->elf)
		goto err;
	verdict = check_sections(img);
	/* A debug file has the headers of the code, but not its bytes. */
	if (!verdict && !is_debug)
		verdict = read_texts(img);
	if (!verdict)
		verdict = find_build_id(img);
	if (verdict)
		goto err;
	*out = img;
	return IMAGE_OK;
err:
	saved = errno;
	image__free(img);
	errno = saved;
	return verdict;
}

static enum image_verdict open_path(struct image **out, const char *path, bool is_debug)
{
	int fd = image__open_file(path);

	if (fd >= 0)
		return image__open_fd(out, fd, path, is_debug);
	errno = -fd;
	return IMAGE_UNREADABLE;
}

enum image_verdict image__open(struct image **out, const char *path)
{
	return open_path(out, path, false);
}

enum image_verdict image__open_debug(struct image **out, const char *path)
{
	return open_path(out, path, true);
}

void image__attach(struct image *img, struct image *debug)
{
	image__free(img->debug);
	img->debug = debug;
}

void image__free(struct image *img)
{
	size_t i;

	if (!img)
		return;
	image__free(img->debug);
	for (i = 0; i < img->nr_texts; i++)
		free((uint8_t *)img->texts[i].bytes);
	elf_end(img->elf);
	if (img->fd >= 0)
		close(img->fd);
	free(img->build_id);
	free(img->path);
	free(img);
}

const char *image__path(const struct image *img)
{
	return img->path;
}

const char *image__build_id(const struct image *img)
{
	return img->build_id;
}

bool image__is_pic(const struct image *img)
{
	return img->is_pic;
}

uint64_t image__entry(const struct image *img)
{
	return img->entry;
}

uint64_t image__base(const struct image *img)
{
	return img->base;
}

bool image__linear_offset(const struct image *img, uint64_t *offset)
{
	uint64_t first = img->texts[0].addr - img->texts[0].paddr;
	size_t i;

	if (img->is_pic || first % 4096)
		return false;
	for (i = 1; i < img->nr_texts; i++)
		if (img->texts[i].addr - img->texts[i].paddr != first)
			return false;
	*offset = first;
	return true;
}

bool image__data(const struct image *img, uint64_t *addr, uint64_t *len)
{
	uint64_t first = UINT64_MAX, end = 0;
	GElf_Phdr ph;
	size_t i, nr;

	if (elf_getphdrnum(img->elf, &nr))
		return false;
	for (i = 0; i < nr; i++) {
		if (!gelf_getphdr(img->elf, i, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_W) ||
		    ph.p_vaddr + ph.p_memsz <= ph.p_vaddr)
			continue;
		if (ph.p_vaddr < first)
			first = ph.p_vaddr;
		if (ph.p_vaddr + ph.p_memsz > end)
			end = ph.p_vaddr + ph.p_memsz;
	}
	if (first >= end)
		return false;
	*addr = first;
	*len = end - first;
	return true;
}

size_t image__nr_texts(const struct image *img)
{
	return img->nr_texts;
}

const struct image_text *image__text(const struct image *img, size_t i)
{
	return &img->texts[i];
}

static Elf_Scn *find_section(struct image *img, const char *name, GElf_Shdr *sh)
{
	Elf_Scn *scn = NULL;
	const char *str;
	size_t names;

	if (elf_getshdrstrndx(img->elf, &names))
		return NULL;
	while ((scn = elf_nextscn(img->elf, scn))) {
		if (!gelf_getshdr(scn, sh) || sh->sh_type == SHT_NOBITS || sh->sh_type == SHT_NULL)
			continue;
		str = elf_strptr(img->elf, names, sh->sh_name);
		if (str && !strcmp(str, name))
			return scn;
	}
	return NULL;
}

bool image__has_section(struct image *img, const char *name)
{
	GElf_Shdr sh;

	return find_section(img, name, &sh) && sh.sh_size;
}

int image__lines_fd(struct image *img)
{
	return img->debug && !image__has_section(img, ".debug_info") ? img->debug->fd : img->fd;
}

void image__facts(const struct image *img, struct image_facts *facts)
{
	size_t i;

	memset(facts, 0, sizeof(*facts));
	facts->entry = img->entry;
	facts->base = img->base;
	facts->is_pic = img->is_pic;
	facts->has_linear_offset = image__linear_offset(img, &facts->linear_offset);
	facts->has_data = image__data(img, &facts->data, &facts->data_len);
	facts->nr_texts = img->nr_texts;
	for (i = 0; i < img->nr_texts; i++)
		facts->texts[i] = (struct image_range){ img->texts[i].addr, img->texts[i].len, img->texts[i].offset };
	if (img->build_id)
		memcpy(facts->build_id, img->build_id, strlen(img->build_id) + 1);
}

int image__crc32(const struct image *img, uint32_t *crc)
{
	const size_t room = 1 << 16;
	uint64_t done = 0;
	uLong sum = crc32(0, NULL, 0);
	uint8_t *buf;
	size_t n;

	buf = malloc(room);
	if (!buf)
		return -ENOMEM;
	for (; done < img->file_size; done += n) {
		n = img->file_size - done < room ? img->file_size - done : room;
		if (read_at(img, buf, n, done)) {
			free(buf);
			return -EIO;
		}
		sum = crc32(sum, buf, n);
	}
	free(buf);
	*crc = sum;
	return 0;
}

static int read_section(struct image *img, const char *name, uint64_t max_len, struct image_section *out)
{
	GElf_Chdr chdr;
	GElf_Shdr sh;
	Elf_Data *data;
	Elf_Scn *scn;
	uint8_t *bytes;

	scn = find_section(img, name, &sh);
	if (!scn)
		return -ENOENT;
	if (sh.sh_size > max_len)
		return -EFBIG;
	if (sh.sh_flags & SHF_COMPRESSED) {
		/* What it says of its own size is what libelf will allocate. */
		if (!gelf_getchdr(scn, &chdr))
			return -EBADMSG;
		if (chdr.ch_size > max_len)
			return -EFBIG;
		if (elf_compress(scn, 0, 0) < 0)
			return -EBADMSG;
	}
	data = elf_getdata(scn, NULL);
	if (!data)
		return -EBADMSG;
	if (!data->d_size || !data->d_buf)
		return -ENOENT;
	if (data->d_size > max_len)
		return -EFBIG;
	bytes = malloc(data->d_size);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, data->d_buf, data->d_size);
	*out = (struct image_section){ .addr = sh.sh_addr, .len = data->d_size, .bytes = bytes };
	return 0;
}

int image__read_section(struct image *img, const char *name, uint64_t max_len, struct image_section *out)
{
	int err = read_section(img, name, max_len, out);

	return err == -ENOENT && img->debug ? read_section(img->debug, name, max_len, out) : err;
}

static Elf_Scn *find_table(struct image *img, GElf_Word type, GElf_Shdr *sh)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(img->elf, scn)))
		if (gelf_getshdr(scn, sh) && sh->sh_type == type && sh->sh_entsize)
			return scn;
	return NULL;
}

/* A string of the table, or NULL if it is not wholly in there or empty. */
static const char *string_at(const char *strings, size_t strings_len, size_t at)
{
	if (!at || at >= strings_len || !strings[at] || !memchr(strings + at, 0, strings_len - at))
		return NULL;
	return strings + at;
}

/* Fills @out and returns true if the symbol can name code. */
static bool code_symbol(struct image *img, const GElf_Sym *sym, const char *strings, size_t strings_len,
			struct image_sym *out)
{
	uint8_t type = GELF_ST_TYPE(sym->st_info);
	Elf_Scn *scn;
	GElf_Shdr sh;

	if (type != STT_FUNC && type != STT_NOTYPE && type != STT_GNU_IFUNC)
		return false;
	if (sym->st_shndx == SHN_UNDEF || sym->st_shndx >= SHN_LORESERVE)
		return false;
	scn = elf_getscn(img->elf, sym->st_shndx);
	if (!scn || !gelf_getshdr(scn, &sh) || !(sh.sh_flags & SHF_EXECINSTR))
		return false;
	if (sym->st_value < sh.sh_addr || sym->st_value - sh.sh_addr >= sh.sh_size)
		return false;
	out->name = string_at(strings, strings_len, sym->st_name);
	if (!out->name)
		return false;
	out->addr = sym->st_value;
	out->size = sym->st_size;
	out->section_end = sh.sh_addr + sh.sh_size;
	out->type = type;
	out->bind = GELF_ST_BIND(sym->st_info);
	/* Compilers' local labels, and those that NASM makes in macros (..@13.out), say nothing to a reader. */
	return strncmp(out->name, ".L", 2) && strncmp(out->name, "..@", 3);
}

int image__for_each_sym(struct image *img, int (*visit)(void *ctx, const struct image_sym *sym), void *ctx)
{
	Elf_Data *data, *strings;
	const char *file = NULL;
	struct image_sym out;
	GElf_Sym sym;
	GElf_Shdr sh;
	Elf_Scn *scn;
	size_t i, nr;
	int err;

	scn = find_table(img, SHT_SYMTAB, &sh);
	if (!scn && img->debug) {
		scn = find_table(img->debug, SHT_SYMTAB, &sh);
		if (scn)
			img = img->debug;
	}
	if (!scn)
		scn = find_table(img, SHT_DYNSYM, &sh);
	if (!scn)
		return -ENOENT;
	data = elf_getdata(scn, NULL);
	strings = elf_getdata(elf_getscn(img->elf, sh.sh_link), NULL);
	if (!data || !strings || !strings->d_buf)
		return -EBADMSG;
	nr = data->d_size / sizeof(Elf64_Sym);
	for (i = 0; i < nr; i++) {
		if (!gelf_getsym(data, i, &sym))
			return -EBADMSG;
		/* The local symbols behind it are of this file; an empty one begins the linker's own. */
		if (GELF_ST_TYPE(sym.st_info) == STT_FILE)
			file = string_at(strings->d_buf, strings->d_size, sym.st_name);
		if (!code_symbol(img, &sym, strings->d_buf, strings->d_size, &out))
			continue;
		out.file = out.bind == STB_LOCAL ? file : NULL;
		err = visit(ctx, &out);
		if (err)
			return err;
	}
	return 0;
}
