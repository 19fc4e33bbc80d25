// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who a VM is: names and UUIDs from command lines, text from outside, and what a selector means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names/roster.h"
#include "names/text.h"
#include "names/vmname.h"

#define UUID "0a1b2c3d-4E5F-6789-abcd-ef0123456789"

#define OTHER "ffffffff-4E5F-6789-abcd-ef0123456789"

/* Arguments are written with | for NUL. */
static const struct {
	const char *cmdline;
	const char *name; /* NULL: none */
	const char *uuid;
} cmdlines[] = {
	{ "qemu|-name|web-1|", "web-1", "" },
	{ "qemu|--name|web-1|-m|1G|", "web-1", "" },
	{ "qemu|-name|guest=web-1,debug-threads=on|", "web-1", "" },
	{ "qemu|-name|debug-threads=on,guest=web-1|", "web-1", "" },
	{ "qemu|-name|web-1,process=x|", "web-1", "" },
	{ "qemu|-name|web-1,debug-threads=on|-uuid|" UUID "|", "web-1", UUID },
	{ "qemu|-uuid|" UUID "|", NULL, UUID },
	{ "qemu|-uuid|not-a-uuid|-name|x|", "x", "" },
	{ "qemu|-name|guest=a,,b,process=y|", "a,b", "" },
	{ "qemu|-name|a,,,,b|", "a,,b", "" },
	{ "qemu|-name|a,,|", "a,", "" },
	{ "qemu|-name|guest=a=b|", "a=b", "" },
	{ "qemu|-name|x y|", "x y", "" },
	{ "qemu|-name|one|-name|guest=two|", "two", "" },
	{ "qemu|-name|one|-name|debug-threads=on|", "one", "" },
	{ "qemu|-name|debug-threads=on|", NULL, "" },
	{ "qemu|-name||-m|1G|", NULL, "" },
	{ "qemu|-name|guest=|", NULL, "" },
	{ "qemu|-name|", NULL, "" },
	{ "qemu|-names|web-1|", NULL, "" },
	{ "qemu|name|web-1|", NULL, "" },
	{ "qemu|-append|-name|", NULL, "" },
	{ "/usr/libexec/qemu-kvm|-name|web-1|", "web-1", "" },
	{ "qemu|-name=web-1|", NULL, "" },
	{ "qemu|--name=web-1|", NULL, "" },
	{ "qemu|-smbios|type=1,uuid=" UUID "|", NULL, UUID },
	{ "qemu|--smbios|type=1,manufacturer=a,,uuid=x,uuid=" UUID ",family=b|", NULL, UUID },
	{ "qemu|-smbios|type=1,manufacturer=a,,uuid=" UUID "|", NULL, "" },
	{ "qemu|-smbios|type=2,uuid=" UUID "|", NULL, "" },
	{ "qemu|-smbios|uuid=" UUID "|", NULL, "" },
	{ "qemu|-smbios|file=x|", NULL, "" },
	{ "qemu|-smbios|type=1|-name|x|", "x", "" },
	{ "qemu|-uuid|" OTHER "|-smbios|type=1,uuid=" UUID "|", NULL, UUID },
	{ "qemu|-smbios|type=1,uuid=" OTHER "|-uuid|" UUID "|", NULL, UUID },
	{ "qemu|-smbios|", NULL, "" },
	{ "lkvm|run|-k|Image|", NULL, "" },
	{ "lkvm|run|--name|web,1|-k|Image|", "web,1", "" },
	{ "/usr/bin/lkvm|run|--name=web-1|", "web-1", "" },
	{ "lkvm|run|--name=|", NULL, "" },
	{ "lkvm|run|-name|web-1|", NULL, "" },
	{ "lkvm|run|--names|web-1|", NULL, "" },
	{ "lkvm|run|--name|", NULL, "" },
	{ "lkvm|run|--name|cut", NULL, "" },
	{ "lkvm|run|--name|one|--name=two|", "two", "" },
	{ "crosvm|run|--name|web-1|vmlinux|", "web-1", "" },
	{ "crosvm|run|vmlinux|", NULL, "" },
	{ "/usr/bin/firecracker|--id|551e7604|--api-sock|/x|", "551e7604", "" },
	{ "firecracker|--id=551e7604|", "551e7604", "" },
	{ "firecracker|--api-sock|/x|", NULL, "" },
	{ "cloud-hypervisor|--platform|serial_number=1,uuid=" UUID "|", NULL, UUID },
	{ "cloud-hypervisor|--platform=uuid=" UUID "|--cpus|boot=1|", NULL, UUID },
	{ "cloud-hypervisor|--kernel|Image|", NULL, "" },
	{ "/opt/my-vmm|--id|x|--platform|uuid=" UUID "|", NULL, "" },
	{ "/opt/my-vmm|-name|x|", "x", "" },
	{ "-name|x|", NULL, "" },
	{ "qemu|-name|cut", NULL, "" },
	{ "qemu", NULL, "" },
	{ "|", NULL, "" },
	{ "", NULL, "" },
};

/* Exactly sized, so that a read beyond the end is seen. */
static char *with_nuls(const char *text, size_t *ret_len)
{
	size_t len = strlen(text);
	char *bytes = malloc(len ? len : 1);

	for (size_t i = 0; i < len; i++)
		bytes[i] = text[i];
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '|')
			bytes[i] = '\0';
	}
	*ret_len = len;
	return bytes;
}

static void command_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cmdlines) / sizeof(cmdlines[0]); i++) {
		struct kcoh_vmname name;
		size_t len;
		char *bytes = with_nuls(cmdlines[i].cmdline, &len);

		kcoh_vmname_parse(bytes, len, &name);
		if (!cmdlines[i].name != !name.name)
			fail_msg("%s: name %s", cmdlines[i].cmdline, name.name ? name.name : "-");
		if (name.name)
			assert_string_equal(name.name, cmdlines[i].name);
		assert_string_equal(name.uuid, cmdlines[i].uuid);
		free(name.name);
		free(bytes);
	}
}

/* A command line longer than one read, out of a directory that stands for /proc. */
static void process(void **state)
{
	char dir[] = "/tmp/kcoh-proc-XXXXXX", path[64];
	struct kcoh_vmname name;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/77", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/77/cmdline", dir);
	file = fopen(path, "w");
	for (int i = 0; i < 20000; i++)
		fputs("-device", file), fputc(0, file);
	fputs("-name", file), fputc(0, file), fputs("last", file), fputc(0, file);
	fclose(file);
	assert_int_equal(kcoh_vmname_read(dir, 77, &name), 0);
	assert_string_equal(name.name, "last");
	free(name.name);
	assert_int_equal(kcoh_vmname_read(dir, 78, &name), -ESRCH);
	assert_null(name.name);
	assert_int_equal(kcoh_vmname_read("/proc", (uint32_t)getpid(), &name), 0);
	assert_null(name.name);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(dir);
}

static void numbers(void **state)
{
	uint32_t value = 7;
	uint64_t big;

	(void)state;
	assert_int_equal(kcoh_text_u32("4294967295", &value), 0);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(kcoh_text_u32("4294967296", &value), -ERANGE);
	assert_int_equal(kcoh_text_u64("18446744073709551615", &big), 0);
	assert_true(big == UINT64_MAX);
	assert_int_equal(kcoh_text_u64("18446744073709551616", &big), -ERANGE);
	for (const char *const *bad =
		     (const char *const[]){ "", " 1", "1 ", "+1", "-1", "0x1", "1e3", NULL };
	     *bad; bad++)
		assert_int_equal(kcoh_text_u32(*bad, &value), -EINVAL);
}

static void printable(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "web-1", "web-1" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7",
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7" },
		{ "a\nb\tc\x7f", "a?b?c?" },
		{ "\033[31mred", "?[31mred" },
		{ "\xc2\x9b"
		  "31m",
		  "??31m" }, /* U+009B, a control sequence introducer */
		{ "\xff\xfe", "??" },
		{ "\xc3", "?" },
		{ "\xe2\x82", "??" },
		{ "\xc0\xaf", "??" }, /* overlong */
		{ "\xed\xa0\x80", "???" }, /* surrogate */
		{ "\xf4\x90\x80\x80", "????" }, /* above U+10FFFF */
		{ "\xf8\x88\x80\x80\x80", "?????" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = strdup(cases[i].in);

		kcoh_text_printable(text);
		assert_string_equal(text, cases[i].out);
		free(text);
	}
}

static void identities(void **state)
{
	struct kcoh_ident *ident = kcoh_ident_new(3, 4711, "qemu-system-aar", "web\n1", UUID);

	(void)state;
	assert_string_equal(ident->name, "web?1");
	assert_string_equal(ident->uuid, "0a1b2c3d-4e5f-6789-abcd-ef0123456789");
	assert_ptr_equal(kcoh_ident_ref(ident), ident);
	kcoh_ident_unref(ident);
	kcoh_ident_unref(ident);
	ident = kcoh_ident_new(3, 4711, "lkvm", NULL, "x");
	assert_string_equal(ident->name, "lkvm-4711");
	assert_string_equal(ident->uuid, "");
	kcoh_ident_unref(ident);
	ident = kcoh_ident_new(3, 4711, "", "", NULL);
	assert_string_equal(ident->name, "?-4711");
	kcoh_ident_unref(ident);
	kcoh_ident_unref(NULL);
}

static void add(struct kcoh_roster *roster, uint32_t id, uint32_t pid, const char *name,
		const char *uuid)
{
	assert_int_equal(kcoh_roster_add(roster, kcoh_ident_new(id, pid, "qemu", name, uuid)), 0);
}

static struct kcoh_roster *three_vms(void)
{
	struct kcoh_roster *roster;

	assert_int_equal(kcoh_roster_new(&roster), 0);
	add(roster, 9, 900, "twin", NULL);
	add(roster, 3, 300, "web-1", UUID);
	add(roster, 7, 700, "twin", NULL);
	return roster;
}

static void order(void **state)
{
	struct kcoh_roster *roster = three_vms();

	(void)state;
	for (uint32_t id = 100; id > 10; id--)
		add(roster, id, id, "x", NULL);
	assert_int_equal(kcoh_roster_count(roster), 93);
	for (size_t i = 1; kcoh_roster_at(roster, i); i++)
		assert_true(kcoh_roster_at(roster, i - 1)->ident->id <
			    kcoh_roster_at(roster, i)->ident->id);
	kcoh_roster_remove(roster, 50);
	kcoh_roster_remove(roster, 50);
	kcoh_roster_remove(roster, 1000);
	assert_null(kcoh_roster_find(roster, 50));
	assert_int_equal(kcoh_roster_find(roster, 51)->ident->id, 51);
	assert_int_equal(kcoh_roster_count(roster), 92);
	add(roster, 51, 5, "renamed", NULL);
	assert_int_equal(kcoh_roster_count(roster), 92);
	assert_string_equal(kcoh_roster_find(roster, 51)->ident->name, "renamed");
	kcoh_roster_free(roster);
}

static void selectors(void **state)
{
	static const struct {
		const char *selector;
		int err;
		uint32_t id;
		const char *sentence;
	} cases[] = {
		{ "3", 0, 3, NULL },
		{ "web-1", 0, 3, NULL },
		{ UUID, 0, 3, NULL },
		{ "0A1B2C3D-4e5f-6789-ABCD-EF0123456789", 0, 3, NULL },
		{ "pid:700", 0, 7, NULL },
		{ "300", -ENOENT, 0, "no VM matches '300'; kcoh ps lists those there are" },
		{ "nosuch", -ENOENT, 0, "no VM matches 'nosuch'; kcoh ps lists those there are" },
		{ "pid:1", -ENOENT, 0, "no VM matches 'pid:1'" },
		{ "99999999999", -ENOENT, 0, "no VM matches" },
		{ "twin", -ENOTUNIQ, 0, "'twin' means VM 7 and VM 9: select one by its number" },
		{ "", -EINVAL, 0, "'' is no selector: give an id, a name, a UUID or pid:N" },
		{ "pid:x", -EINVAL, 0, "'pid:x' is no selector" },
		{ "pid:", -EINVAL, 0, "'pid:' is no selector" },
	};
	struct kcoh_roster *roster = three_vms();
	char sentence[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kcoh_roster_vm *vm = NULL;
		int err = kcoh_roster_select(roster, cases[i].selector, &vm, sentence,
					     sizeof(sentence));

		assert_int_equal(err, cases[i].err);
		if (err == 0)
			assert_int_equal(vm->ident->id, cases[i].id);
		else if (!strstr(sentence, cases[i].sentence))
			fail_msg("%s: %s", cases[i].selector, sentence);
	}
	kcoh_roster_free(roster);
}

/* Each of many is found by what it is called, also after others came before it and went. */
static void many(void **state)
{
	char name[16], uuid[KCOH_UUID_LEN], sentence[256];
	struct kcoh_roster_vm *vm;
	struct kcoh_roster *roster;

	(void)state;
	assert_int_equal(kcoh_roster_new(&roster), 0);
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t id = (i * 77) % 200 + 1;

		snprintf(name, sizeof(name), "web-%u", id);
		snprintf(uuid, sizeof(uuid), "abcdef00-0000-4000-8000-%012x", id);
		add(roster, id, id, name, uuid);
	}
	for (uint32_t id = 3; id <= 200; id += 3)
		kcoh_roster_remove(roster, id);
	add(roster, 4, 4, "another", NULL);
	for (uint32_t id = 1; id <= 200; id++) {
		int err = id % 3 && id != 4 ? 0 : -ENOENT;

		snprintf(name, sizeof(name), "web-%u", id);
		snprintf(uuid, sizeof(uuid), "ABCDEF00-0000-4000-8000-%012X", id);
		assert_int_equal(kcoh_roster_select(roster, name, &vm, sentence, 256), err);
		assert_true(err || vm->ident->id == id);
		assert_int_equal(kcoh_roster_select(roster, uuid, &vm, sentence, 256), err);
		assert_true(err || vm->ident->id == id);
	}
	assert_int_equal(kcoh_roster_select(roster, "another", &vm, sentence, 256), 0);
	assert_int_equal(vm->ident->id, 4);
	kcoh_roster_free(roster);
}

/* QEMU's trial VM has no memory; the one that has is meant, whichever is found first. */
static void trial_vm(void **state)
{
	struct kcoh_roster *roster;
	struct kcoh_roster_vm *vm;
	char sentence[256];

	(void)state;
	for (uint32_t real = 1; real <= 3; real++) {
		assert_int_equal(kcoh_roster_new(&roster), 0);
		for (uint32_t id = 1; id <= 3; id++)
			add(roster, id, 42, "web", NULL);
		assert_int_equal(kcoh_roster_select(roster, "web", &vm, sentence, 256), -ENOTUNIQ);
		kcoh_roster_find(roster, real)->shown.has_memory = true;
		assert_int_equal(kcoh_roster_select(roster, "pid:42", &vm, sentence, 256), 0);
		assert_int_equal(vm->ident->id, real);
		kcoh_roster_find(roster, real % 3 + 1)->shown.has_memory = true;
		assert_int_equal(kcoh_roster_select(roster, "web", &vm, sentence, 256), -ENOTUNIQ);
		kcoh_roster_free(roster);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines), cmocka_unit_test(process),
		cmocka_unit_test(numbers),       cmocka_unit_test(printable),
		cmocka_unit_test(identities),    cmocka_unit_test(order),
		cmocka_unit_test(selectors),     cmocka_unit_test(many),
		cmocka_unit_test(trial_vm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
