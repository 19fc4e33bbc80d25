// SPDX-License-Identifier: GPL-2.0-only
/*
 * smmu_json.c - events of SMMUs and devices behind them as JSON.
 *
 * An event record has the fields that its kind has and no others: C_BAD_STREAMID no address, a fault of stage 1 no IPA.
 * What an SMMU could not tell (the queue was full) has an event of its own, so that no reader takes silence for peace.
 */
#include "kcoh/smmu.h"
#include "relay/smmu_counts.h"
#include "serve/event_json.h"
#include "serve/smmu_json.h"

static void set(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *group_json(uint32_t group)
{
	return group == KCOH_GROUP_NONE ? json_null() : json_integer(group);
}

/* A name for any id: those that are left to implementations and reserved ones, too. */
static void event_name(json_t *o, uint8_t id)
{
	char name[KCOH_SMMU_TEXT];

	kcoh_smmu_text(id, name, sizeof(name));
	set(o, "event", json_string(name));
}

static void access_fields(json_t *o, const struct kcoh_smmu_fault *fault)
{
	if (fault->has & KCOH_SMMU_HAS_RNW)
		set(o, "access", json_string(fault->read ? "read" : "write"));
	if (fault->has & KCOH_SMMU_HAS_ATTRS) {
		set(o, "privileged", json_boolean(fault->privileged));
		set(o, "instruction", json_boolean(fault->instruction));
	}
}

static void place_fields(json_t *o, const struct kcoh_smmu_fault *fault)
{
	static const char *const classes[] = { "cd", "ttd", "in", "?" };

	if (fault->has & KCOH_SMMU_HAS_STAGE)
		set(o, "stage", json_integer(fault->stage));
	if (fault->has & KCOH_SMMU_HAS_CLASS)
		set(o, "class", json_string(classes[fault->fault_class & 3]));
	if (fault->has & KCOH_SMMU_HAS_ADDRESS)
		set(o, "address", kcoh_json_hex(fault->address));
	if (fault->has & KCOH_SMMU_HAS_IPA)
		set(o, "ipa", kcoh_json_hex(fault->ipa));
	if (fault->has & KCOH_SMMU_HAS_FETCH)
		set(o, "fetch", kcoh_json_hex(fault->fetch));
}

static void stall_fields(json_t *o, const struct kcoh_smmu_fault *fault)
{
	if (fault->has & KCOH_SMMU_HAS_STALL)
		set(o, "stall", json_boolean(fault->stall));
	if (fault->stall)
		set(o, "stag", json_integer(fault->stag));
}

static void record_fields(json_t *o, const struct kcoh_ev_smmu *ev)
{
	struct kcoh_smmu_fault fault;

	kcoh_smmu_decode(ev->raw, &fault);
	event_name(o, fault.id);
	set(o, "id", kcoh_json_hex(fault.id));
	set(o, "stream", kcoh_json_hex(fault.sid));
	if (fault.has & KCOH_SMMU_HAS_SSID)
		set(o, "substream", kcoh_json_hex(fault.ssid));
	if (ev->kind != KCOH_SMMU_EVENT)
		return; /* the other words of the record were not kept */
	access_fields(o, &fault);
	place_fields(o, &fault);
	stall_fields(o, &fault);
}

void kcoh_smmu_fields(json_t *o, const struct kcoh_ev_smmu *ev)
{
	static const char *const kinds[] = { "record", "folded", "unread", "lost" };
	unsigned int kind = ev->kind & 3u;

	set(o, "kind", json_string(kinds[kind]));
	set(o, "count", json_integer((json_int_t)(ev->count & INT64_MAX)));
	set(o, "smmu", json_string(ev->smmu));
	if (kind == KCOH_SMMU_UNREAD)
		set(o, "sentence",
		    json_string("so many events were written over before they could be read"));
	if (kind == KCOH_SMMU_LOST)
		set(o, "sentence",
		    json_string("at least so many times events were lost: the queue was full"));
	if (kind == KCOH_SMMU_UNREAD || kind == KCOH_SMMU_LOST) {
		set(o, "event", json_string(kinds[kind]));
		return;
	}
	set(o, "device", text_or_null(ev->device));
	set(o, "group", group_json(ev->group));
	record_fields(o, ev);
}

static const char *via_name(uint8_t via)
{
	return via == KCOH_VIA_GROUP ? "vfio-group" : "iommufd";
}

void kcoh_device_fields(json_t *o, const struct kcoh_ev_device *ev)
{
	static const char *const states[] = { "taken", "found", "released" };

	set(o, "state", json_string(ev->state < 3 ? states[ev->state] : "?"));
	set(o, "device", json_string(ev->device));
	set(o, "via", json_string(via_name(ev->via)));
	set(o, "group", group_json(ev->group));
	set(o, "stream", kcoh_json_hex(ev->sid));
	set(o, "smmu", json_string(ev->smmu));
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)(value & INT64_MAX));
}

static json_t *mapping_json(const struct kcoh_mapping *mapping)
{
	if (!mapping)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "domain",
			 number(mapping->domain), "maps", number(mapping->maps), "mapped_bytes",
			 number(mapping->mapped_bytes), "map_ns", number(mapping->map_ns), "unmaps",
			 number(mapping->unmaps), "unmapped_bytes", number(mapping->unmapped_bytes),
			 "unmap_ns", number(mapping->unmap_ns), "commands",
			 number(mapping->commands), "command_ns", number(mapping->command_ns));
}

json_t *kcoh_device_json(const struct kcoh_device_view *device)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:I, s:o}", "device", device->device, "via",
			 via_name(device->via), "group", group_json(device->group), "stream",
			 kcoh_json_hex(device->sid), "smmu", device->smmu, "smmu_events",
			 (json_int_t)(device->events & INT64_MAX), "mapping",
			 mapping_json(device->mapping));
}
