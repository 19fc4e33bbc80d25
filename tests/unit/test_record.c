// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recordings: what was recorded is replayed alike, from the beginning or from an image; what is cut or damaged is read up to there; what
 * is made up does no harm.
 */
#include "stream.h"

#include <errno.h>
#include <unistd.h>

#include "record/outcome.h"
#include "record/replay.h"
#include "record/ring.h"

#define CLEANER (MODULE | KCOH_HOST_CLEAN)

static const struct kcoh_core_config bounds = { 4, 8, 8 };

/* A core that is recorded. */
struct taped {
	struct world world;
	struct kcoh_record_ring *ring;
};

static void taped_make(struct taped *taped, size_t bytes)
{
	world_make(&taped->world, bounds.max_vms, bounds.max_vcpus, bounds.max_slots);
	assert_int_equal(kcoh_record_ring_new(bytes, taped->world.core, &taped->ring), 0);
}

static void taped_free(struct taped *taped)
{
	kcoh_record_ring_free(taped->ring);
	world_free(&taped->world);
}

static void taped_step(struct taped *taped, union kcoh_ev ev, uint64_t ms)
{
	ev.hdr.ts_ns = ms * 1000000;
	world_step(&taped->world, &ev);
	assert_true(taped->world.n_acts >= 0);
	kcoh_record_ring_add(taped->ring, &ev.hdr, taped->world.acts, taped->world.n_acts);
}

#define STEP(ms, ...) taped_step(taped, (union kcoh_ev)__VA_ARGS__, ms)

/* VM 1 under veto, enforced, is born, migrates, and turns its MMU off and on. */
static void story(struct taped *taped)
{
	STEP(0, HOST(CLEANER));
	STEP(0, ENFORCED);
	STEP(1000, VM_NEW(1));
	STEP(1000, POLICY(1, VETO, ENFORCE, 1));
	STEP(1001, RAM(1));
	STEP(1002, VCPU(1, 0, CACHED, SAMPLE));
	STEP(2000, LOG_ON(1));
	STEP(2001, EPOCH(1, 1, 1, 0));
	STEP(2500, TOGGLE(1, 0, CACHED, UNCACHED, TRAP));
	STEP(2750, TOGGLE(1, 0, UNCACHED, CACHED, TRAP));
	STEP(3000, DONE(1, CANCEL, 0));
	STEP(3500, LOG_OFF(1));
}

static void *tape_of(struct taped *taped, size_t *ret_size)
{
	static const struct kcoh_frame_name name = { .vm = 1, .name = "web\n1", .uuid = "u" };
	void *bytes = kcoh_record_ring_copy(taped->ring, &bounds, 5, &name, 1, ret_size);

	assert_non_null(bytes);
	return bytes;
}

static void *story_tape(size_t *ret_size)
{
	struct taped taped;
	void *bytes;

	taped_make(&taped, 65536);
	story(&taped);
	bytes = tape_of(&taped, ret_size);
	taped_free(&taped);
	return bytes;
}

/* What is written, to be freed. */
static char *play(const void *bytes, size_t size, const struct kcoh_config *config,
		  struct kcoh_replay_result *ret_result)
{
	struct kcoh_recording *recording;
	char sentence[256], *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_int_equal(kcoh_recording_of(bytes, size, &recording, sentence, sizeof(sentence)), 0);
	assert_int_equal(kcoh_replay(recording, config, out, ret_result), 0);
	fclose(out);
	kcoh_recording_close(recording);
	return text;
}

static void as_it_went(void **state)
{
	static const char lines[] =
		"     1.000000 web?1 allow/cleaning\n"
		"     2.000000 web?1 wait/arming (allow/cleaning before)\n"
		"     2.001000 web?1 allow/cleaning (wait/arming before)\n"
		"     2.500000 web?1 window mmu-off opens\n"
		"     2.500000 web?1 veto/mmu-off (allow/cleaning before)\n"
		"     2.500000 web?1 act cancel (mmu-off)\n"
		"     2.500000 web?1 act alert (mmu-off)\n"
		"     2.750000 web?1 window mmu-off closes after 0.250000 s\n"
		"     2.750000 web?1 veto/mmu-off-earlier (veto/mmu-off before)\n"
		"     3.500000 web?1 allow/cleaning (veto/mmu-off-earlier before)\n";
	struct kcoh_replay_result result;
	size_t size;
	void *bytes = story_tape(&size);
	char *text = play(bytes, size, NULL, &result);

	(void)state;
	assert_string_equal(text, lines);
	assert_int_equal(result.events, 12);
	assert_int_equal(result.verdicts, 6);
	assert_int_equal(result.windows, 2);
	assert_int_equal(result.acts, 2);
	assert_int_equal(result.differs, 0);
	assert_int_equal(result.last_ns, 3500000000);
	assert_false(result.damaged);
	assert_false(result.without_state);
	free(text);
	free(bytes);
}

/* An outcome that is another one is noticed. */
static void otherwise(void **state)
{
	struct taped taped;
	struct kcoh_replay_result result;
	struct kcoh_act act = { .type = KCOH_ACT_ALERT, .vm = 1 };
	union kcoh_ev tick = TICK;
	size_t size;
	void *bytes;

	(void)state;
	taped_make(&taped, 65536);
	story(&taped);
	tick.hdr.ts_ns = 4000000000;
	world_step(&taped.world, &tick);
	kcoh_record_ring_add(taped.ring, &tick.hdr, &act, 1);
	bytes = tape_of(&taped, &size);
	free(play(bytes, size, NULL, &result));
	assert_int_equal(result.differs, 1);
	assert_int_equal(result.differs_first, 13);
	free(bytes);
	taped_free(&taped);
}

/* Memory for far less than what came: it begins with an image, at any place of the story. */
static void from_an_image(void **state)
{
	uint64_t kept = 0;

	(void)state;
	for (unsigned int more = 150; more < 400; more++) {
		struct taped taped;
		struct kcoh_replay_result result;
		size_t size;
		char *text;
		void *bytes;

		taped_make(&taped, 16384);
		for (unsigned int i = 0; i < more; i++)
			taped_step(&taped, (union kcoh_ev)TICK, i);
		story(&taped);
		for (unsigned int i = 0; i < more; i++)
			taped_step(&taped, (union kcoh_ev)TOGGLE(1, 0, CACHED, UNCACHED, TRAP),
				   4000 + i);
		assert_true(kcoh_record_ring_count(taped.ring) < 2 * more + 12 || more < 200);
		bytes = tape_of(&taped, &size);
		assert_true(size < 16384 + 1024);
		text = play(bytes, size, NULL, &result);
		assert_int_equal(result.differs, 0);
		assert_false(result.without_state);
		kept += strstr(text, "web?1 is there: ") != NULL;
		free(text);
		free(bytes);
		taped_free(&taped);
	}
	assert_true(kept > 100);
}

/* So many VMs that their state takes the memory for what they do. */
static void too_little_memory(void **state)
{
	struct kcoh_core_config many = { 64, 8, 8 };
	struct taped taped;
	size_t size;

	(void)state;
	world_make(&taped.world, many.max_vms, many.max_vcpus, many.max_slots);
	assert_int_equal(kcoh_record_ring_new(16384, taped.world.core, &taped.ring), 0);
	for (uint32_t vm = 1; vm <= 64; vm++)
		taped_step(&taped, (union kcoh_ev)VM_NEW(vm), vm);
	for (unsigned int i = 0; i < 1000; i++)
		taped_step(&taped, (union kcoh_ev)TICK, 100 + i);
	errno = 0;
	assert_null(kcoh_record_ring_copy(taped.ring, &many, 0, NULL, 0, &size));
	assert_int_equal(errno, ENOSPC);
	taped_free(&taped);
}

static void what_if(void **state)
{
	char path[] = "/tmp/kcoh-test-XXXXXX", sentence[256];
	static const char conf[] = "[vm web[?]1]\nstrategy = observe\n";
	struct kcoh_replay_result result;
	struct kcoh_config *config;
	int fd = mkstemp(path);
	size_t size;
	void *bytes = story_tape(&size);
	char *text;

	(void)state;
	assert_int_equal(write(fd, conf, sizeof(conf) - 1), sizeof(conf) - 1);
	close(fd);
	assert_int_equal(kcoh_config_load(path, &config, sentence, sizeof(sentence)), 0);
	unlink(path);
	text = play(bytes, size, config, &result);
	assert_null(strstr(text, "veto"));
	assert_non_null(strstr(text, "2.500000 web?1 allow/observe-only"));
	assert_int_equal(result.acts, 0);
	assert_int_equal(result.differs, 0);
	free(text);
	kcoh_config_free(config);
	free(bytes);
}

/* --- damage --------------------------------------------------------------------------------------------- */

/* Cut anywhere: what is whole is played, and the rest is said to be missing. */
static void cut_anywhere(void **state)
{
	size_t size;
	char *bytes = story_tape(&size), sentence[256];
	uint64_t events = 0;

	(void)state;
	for (size_t len = 0; len < size; len++) {
		char *exact = malloc(len ? len : 1);
		struct kcoh_recording *recording;
		struct kcoh_replay_result result;

		memcpy(exact, bytes, len);
		if (len < sizeof(struct kcoh_recording_header)) {
			assert_int_equal(kcoh_recording_of(exact, len, &recording, sentence,
							   sizeof(sentence)),
					 -EINVAL);
			free(exact);
			continue;
		}
		assert_int_equal(
			kcoh_recording_of(exact, len, &recording, sentence, sizeof(sentence)), 0);
		assert_int_equal(kcoh_replay(recording, NULL, NULL, &result), 0);
		assert_true(result.damaged);
		assert_int_equal(result.differs, 0);
		assert_non_null(
			strstr(kcoh_recording_damage(recording), "what follows is missing"));
		assert_true(result.events >= events);
		events = result.events;
		kcoh_recording_close(recording);
		free(exact);
	}
	assert_int_equal(events, 12);
	free(bytes);
}

/* A byte that is another one anywhere is noticed. */
static void flipped_anywhere(void **state)
{
	size_t size;
	unsigned char *bytes = story_tape(&size);
	char sentence[256];

	(void)state;
	for (size_t at = 0; at < size; at++) {
		struct kcoh_recording *recording;
		struct kcoh_replay_result result;

		bytes[at] ^= 0x40;
		if (at < sizeof(struct kcoh_recording_header)) {
			assert_int_equal(kcoh_recording_of(bytes, size, &recording, sentence,
							   sizeof(sentence)),
					 -EINVAL);
			assert_true(*sentence != '\0');
		} else {
			assert_int_equal(kcoh_recording_of(bytes, size, &recording, sentence,
							   sizeof(sentence)),
					 0);
			assert_int_equal(kcoh_replay(recording, NULL, NULL, &result), 0);
			assert_int_equal(result.differs, 0);
			/* the padding behind a payload means nothing */
			if (!result.damaged)
				assert_int_equal(result.events, 12);
			kcoh_recording_close(recording);
		}
		bytes[at] ^= 0x40;
	}
	free(bytes);
}

static void no_recordings(void **state)
{
	static const struct {
		const char *bytes;
		const char *sentence;
	} cases[] = {
		{ "", "this is no recording of kcohd" },
		{ "KCOHREC\n", "a recording of version 0 with events of ABI 0 cannot be read" },
		{ "something else altogether, and long enough for a header", "this is no record" },
	};
	struct kcoh_recording *recording;
	char sentence[256];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(kcoh_recording_of(cases[i].bytes, strlen(cases[i].bytes),
						   &recording, sentence, sizeof(sentence)),
				 -EINVAL);
		assert_non_null(strstr(sentence, cases[i].sentence));
	}
	assert_int_equal(
		kcoh_recording_open("/nonexistent", &recording, sentence, sizeof(sentence)),
		-ENOENT);
	assert_int_equal(kcoh_recording_open("/tmp", &recording, sentence, sizeof(sentence)),
			 -EISDIR);
}

/* --- images --------------------------------------------------------------------------------------------- */

struct image {
	char *bytes;
	size_t size;
};

static struct image image_make(void)
{
	struct taped taped;
	struct image image;

	taped_make(&taped, 65536);
	story(&taped);
	image.size = kcoh_core_image_size(taped.world.core);
	image.bytes = malloc(image.size);
	assert_int_equal(kcoh_core_save(taped.world.core, image.bytes, image.size - 1), 0);
	assert_int_equal(kcoh_core_save(taped.world.core, image.bytes, image.size), image.size);
	taped_free(&taped);
	return image;
}

/* One from another build is refused in words, and played without. */
static void image_of_another_build(void **state)
{
	struct image image = image_make();
	struct kcoh_recording_header header = kcoh_recording_begin(&bounds, 0);
	size_t size = sizeof(header) + kcoh_frame_size(image.size) + kcoh_frame_size(0);
	char *bytes = malloc(size), *at = bytes;
	struct kcoh_replay_result result;

	(void)state;
	image.bytes[0]++;
	memcpy(at, &header, sizeof(header));
	at += sizeof(header);
	kcoh_frame_put(at, KCOH_FRAME_IMAGE, 0, image.bytes, image.size);
	kcoh_frame_put(at + kcoh_frame_size(image.size), KCOH_FRAME_END, 0, NULL, 0);
	free(play(bytes, size, NULL, &result));
	assert_true(result.without_state);
	assert_false(result.damaged);
	free(bytes);
	free(image.bytes);
}

/* One that is made up is refused, or is a core that goes on without harm. */
static void image_made_up(void **state)
{
	struct image image = image_make();
	uint32_t refused = 0;

	(void)state;
	for (size_t at = 0; at < image.size * 4; at++) {
		static const unsigned char flips[] = { 0x01, 0x80, 0xff, 0x06 };
		struct world world;
		union kcoh_ev lost = TICK, toggle = TOGGLE(1, 0, CACHED, UNCACHED, TRAP),
			      ram = RAM(1);
		int err;

		image.bytes[at / 4] ^= (char)flips[at % 4];
		world_make(&world, bounds.max_vms, bounds.max_vcpus, bounds.max_slots);
		err = kcoh_core_load(world.core, image.bytes, image.size);
		assert_true(err == 0 || err == -EINVAL || err == -EPROTO);
		refused += err != 0;
		if (!err) {
			lost.hdr.gap = 1;
			world_step(&world, &toggle);
			world_step(&world, &lost);
			world_step(&world, &ram);
		}
		image.bytes[at / 4] ^= (char)flips[at % 4];
		world_free(&world);
	}
	assert_true(refused > 100);
	free(image.bytes);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_it_went),
		cmocka_unit_test(otherwise),
		cmocka_unit_test(from_an_image),
		cmocka_unit_test(too_little_memory),
		cmocka_unit_test(what_if),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(flipped_anywhere),
		cmocka_unit_test(no_recordings),
		cmocka_unit_test(image_of_another_build),
		cmocka_unit_test(image_made_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
