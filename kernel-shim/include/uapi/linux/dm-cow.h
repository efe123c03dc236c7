/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The channel between the device-mapper targets "cow" and "userspace" and
 * the program that decides where chunks live (the controller).
 *
 * A controller opens /dev/dm-cow, names an ident with DM_COW_IOC_ATTACH and
 * from then on reads struct dm_cow_event and writes struct dm_cow_reply:
 * whole records only, as many at once as it likes.  DM_COW_IOC_EXCHANGE does
 * both with one call, and waits between them.  PROTOCOL.md tells what
 * each record means, in which state it is allowed, and what happens when
 * either side stops in the middle.
 *
 * Units: sectors are 512 bytes; chunks count from the start of the mapped
 * device, and a chunk is a power of two of sectors.  All integers are in
 * host byte order.  Reserved fields are zero in both directions.
 */
#ifndef _UAPI_LINUX_DM_COW_H
#define _UAPI_LINUX_DM_COW_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Raised whenever a record changes its shape or its meaning. */
#define DM_COW_ABI_VERSION	2

/* Bytes of an ident, with its terminating zero. */
#define DM_COW_IDENT_LEN	128

/* Devices of one ident at most (base, CoW device, layers, data devices). */
#define DM_COW_MAX_DEVICES	128

/* Chunks that one event covers at most. */
#define DM_COW_MAX_RUN		(1ULL << 40)

/* Index of the base and of the CoW device in the device list of "cow". */
#define DM_COW_DEV_BASE		0
#define DM_COW_DEV_COW		1
/* GRANT and what is told of it: a pool, for any chunk that has no place. */
#define DM_COW_ANY_CHUNK	(~0ULL)
/* Not a device: reads as zeros.  Only as a source. */
#define DM_COW_DEV_ZERO		0xffffffffU

/*
 * Feature bits, negotiated at attach: the controller asks for a mask, the
 * kernel answers with the part of it that it serves.  Bits that this version
 * does not offer keep their numbers for the versions that will.
 */
#define DM_COW_F_GRANT		(1ULL << 0)	/* GRANT, REVOKE, REVOKED */
#define DM_COW_F_DISCARD	(1ULL << 1)	/* DISCARD events */
#define DM_COW_F_ZERO		(1ULL << 2)	/* ZERO events */
#define DM_COW_F_PIECES		(1ULL << 3)	/* sources in pieces */
#define DM_COW_F_WIDEN		(1ULL << 4)	/* PLACE beyond the fault */
#define DM_COW_F_LOAD		(1ULL << 5)	/* LOAD, REST */
#define DM_COW_F_OFFERED	(DM_COW_F_GRANT | DM_COW_F_LOAD)

/* Event types: kernel to controller. */
#define DM_COW_EV_WRITE_FAULT	1	/* chunks need places: PLACE, ERROR, HOLD */
#define DM_COW_EV_READ_FAULT	2	/* where does it read from: MAP, KNOWN, ERROR */
#define DM_COW_EV_ANSWERED	3	/* picture: a place given, copy under way */
#define DM_COW_EV_PLACED	4	/* the data is at its place, numbered */
#define DM_COW_EV_FAILED	5	/* the copy failed, the place is not used */
#define DM_COW_EV_FLUSH		6	/* commit all up to number, then FLUSHED */
#define DM_COW_EV_GONE		7	/* the last table line is gone */
#define DM_COW_EV_PICTURE_END	8	/* all answered and placed chunks were told */
#define DM_COW_EV_REVOKED	9	/* the rest of a grant; count 0: no more */
#define DM_COW_EV_DISCARD	10	/* reserved for DM_COW_F_DISCARD */
#define DM_COW_EV_ZERO		11	/* reserved for DM_COW_F_ZERO */
#define DM_COW_EV_GRANTED	12	/* picture: what is left of a grant */
#define DM_COW_EV_TAKEN		13	/* places are in use that will be told */

/* Event flags. */
#define DM_COW_EVF_PICTURE	(1U << 0)	/* part of the picture after ATTACH */
#define DM_COW_EVF_WRITE_SIDE	(1U << 1)	/* FAILED: the place, not the source */
#define DM_COW_EVF_UNKNOWN	(1U << 2)	/* WRITE_FAULT on chunks never told */
#define DM_COW_EVF_SELF_FLUSH	(1U << 3)	/* FLUSH: kernel has no device left */
#define DM_COW_EVF_READ_ONLY	(1U << 4)	/* do not commit: mode ro or fail */

/**
 * struct dm_cow_event - what the kernel tells or asks
 * @type: DM_COW_EV_*
 * @flags: DM_COW_EVF_*
 * @id: of a fault, to be repeated in the answer; 0 elsewhere
 * @chunk: first chunk it speaks of; GRANTED, REVOKED: DM_COW_ANY_CHUNK for a pool
 * @count: chunks in a row that it speaks of; GRANTED, REVOKED: places; TAKEN:
 *	places that are left of all grants
 * @number: PLACED: the number of this run; FLUSH, GONE, PICTURE_END, TAKEN: the
 *	last number that counts; else 0
 * @sector: ANSWERED, PLACED, FAILED, GRANTED, REVOKED: first sector of the place
 * @device: as @sector: device of the place, an index into the device list
 * @error: FAILED: positive errno
 * @reserved: zero
 */
struct dm_cow_event {
	__u32 type;
	__u32 flags;
	__u64 id;
	__u64 chunk;
	__u64 count;
	__u64 number;
	__u64 sector;
	__u32 device;
	__u32 error;
	__u64 reserved;
};

/* Reply operations: controller to kernel. */
#define DM_COW_OP_MAP		1	/* these chunks are committed there */
#define DM_COW_OP_KNOWN		2	/* those without a place read from there */
#define DM_COW_OP_PLACE		3	/* answer: a place for a faulted run */
#define DM_COW_OP_ERROR		4	/* answer: fail the accesses */
#define DM_COW_OP_HOLD		5	/* answer: wait for RETRY */
#define DM_COW_OP_RETRY		6	/* ask again for all that is held */
#define DM_COW_OP_FLUSHED	7	/* committed up to number, or errno */
#define DM_COW_OP_COMMIT	8	/* ask for a FLUSH event now */
#define DM_COW_OP_ABANDON	9	/* after GONE: forget uncommitted places */
#define DM_COW_OP_GRANT		10	/* places for first writes to come */
#define DM_COW_OP_REVOKE	11	/* give back what is left of all grants */
#define DM_COW_OP_LOAD		12	/* from here on all places are told */
#define DM_COW_OP_REST		13	/* KNOWN, if all MAPs since LOAD hold */

/* PLACE: what the rest of a chunk, that no write covers, is filled from. */
#define DM_COW_FILL_COPY	1	/* from source_device, source_sector */
#define DM_COW_FILL_ZERO	2	/* zeros */
#define DM_COW_FILL_NONE	3	/* the place already holds it */

/**
 * struct dm_cow_reply - what the controller answers or orders
 * @op: DM_COW_OP_*
 * @fill: PLACE: DM_COW_FILL_*; else 0
 * @id: PLACE, ERROR, HOLD: the fault that is answered; else 0
 * @chunk: MAP, KNOWN, REST, PLACE, GRANT: first chunk; GRANT of a pool:
 *	DM_COW_ANY_CHUNK
 * @count: MAP, KNOWN, REST, PLACE, GRANT: chunks in a row, each @sector apart
 *	by a chunk; GRANT of a pool: places
 * @sector: MAP, PLACE, GRANT: first sector of the place; KNOWN, REST: first
 *	sector of the source
 * @number: FLUSHED: all places up to this number are committed, or failed to
 * @source_sector: PLACE with FILL_COPY: where the first chunk's data is now
 * @device: MAP, PLACE, GRANT: device of the place; KNOWN, REST: device of the
 *	source, or DM_COW_DEV_ZERO
 * @source_device: PLACE with FILL_COPY: device of the source
 * @error: ERROR, FLUSHED: positive errno, 0 for FLUSHED that succeeded
 * @generation: of the device list that the indices refer to, from ATTACH
 */
struct dm_cow_reply {
	__u32 op;
	__u32 fill;
	__u64 id;
	__u64 chunk;
	__u64 count;
	__u64 sector;
	__u64 number;
	__u64 source_sector;
	__u32 device;
	__u32 source_device;
	__u32 error;
	__u32 generation;
};

/* Attach flags, in. */
#define DM_COW_ATTACH_TAKEOVER	(1U << 0)	/* detach the one that serves */

/* State of the ident, out of ATTACH and LIST. */
#define DM_COW_S_USERSPACE	(1U << 0)	/* target "userspace", no base */
#define DM_COW_S_KNOWN		(1U << 1)	/* no chunk is unknown */
#define DM_COW_S_GONE		(1U << 2)	/* no table line refers to it */
#define DM_COW_S_READ_ONLY	(1U << 3)	/* mode ro or fail */
#define DM_COW_S_CONTROLLED	(1U << 4)	/* a controller is attached */

/**
 * struct dm_cow_attach - the handshake
 * @version: in: DM_COW_ABI_VERSION
 * @event_size: in: sizeof(struct dm_cow_event)
 * @reply_size: in: sizeof(struct dm_cow_reply)
 * @flags: in: DM_COW_ATTACH_*
 * @features: in: DM_COW_F_* wanted; out: those that are served
 * @state: out: DM_COW_S_*
 * @generation: out: to be repeated in every reply
 * @epoch: out: counts the controllers that this ident has had
 * @chunk_sectors: out: sectors of a chunk
 * @sectors: out: sectors of the device; its last chunk may be cut off
 * @number: out: the last number given to a place, 0 before the first
 * @uncommitted: out: numbered runs that are not committed
 * @owner: out: process id of the controller attached before this call, also
 *	when the call fails with EBUSY; 0 where there is none
 * @devices: out: entries of the device list
 * @ident: in: zero-terminated; the bytes behind the zero are zero
 */
struct dm_cow_attach {
	__u32 version;
	__u32 event_size;
	__u32 reply_size;
	__u32 flags;
	__u64 features;
	__u32 state;
	__u32 generation;
	__u64 epoch;
	__u64 chunk_sectors;
	__u64 sectors;
	__u64 number;
	__u64 uncommitted;
	__u32 owner;
	__u32 devices;
	char ident[DM_COW_IDENT_LEN];
};

/**
 * struct dm_cow_list - walk over the idents that the module holds
 * @ident: in: the ident before, empty for the first; out: the next one in
 *	byte order
 * @state: out: DM_COW_S_*
 * @owner: out: process id of the attached controller, 0 where there is none
 * @uncommitted: out: numbered runs that are not committed
 */
struct dm_cow_list {
	char ident[DM_COW_IDENT_LEN];
	__u32 state;
	__u32 owner;
	__u64 uncommitted;
};

/**
 * struct dm_cow_exchange - replies in, a wait, events out
 * @replies: in: pointer to struct dm_cow_reply; carried out as write(2) does
 * @events: in: pointer to room for struct dm_cow_event
 * @nr_replies: in: replies; out: those that were accepted
 * @nr_events: in: events that there is room for, 0 neither to wait nor to
 *	read; out: events that were written
 * @timeout_ms: in: how long to wait until there is something to read; -1 without
 *	end, 0 not at all: then all places are told that were not
 * @error: out: positive errno that refused the reply behind those that were
 *	accepted, else 0
 */
struct dm_cow_exchange {
	__u64 replies;
	__u64 events;
	__u32 nr_replies;
	__u32 nr_events;
	__s32 timeout_ms;
	__u32 error;
};

#define DM_COW_IOC_MAGIC	0xdc
/* Once for each open file; the epoch begins with it. */
#define DM_COW_IOC_ATTACH	_IOWR(DM_COW_IOC_MAGIC, 1, struct dm_cow_attach)
/* ENOENT behind the last. */
#define DM_COW_IOC_LIST		_IOWR(DM_COW_IOC_MAGIC, 2, struct dm_cow_list)
/* Unless all replies were accepted it returns at once, without events. */
#define DM_COW_IOC_EXCHANGE	_IOWR(DM_COW_IOC_MAGIC, 3, \
				      struct dm_cow_exchange)
/* From another thread: ends the wait of the EXCHANGE under way, or of the next. */
#define DM_COW_IOC_WAKE		_IO(DM_COW_IOC_MAGIC, 4)

#endif
