/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-cow: copy-on-write whose allocation is decided in userspace.
 *
 * What follows is shared between the files of the module:
 *
 *   dm-cow-target.c   the two target types: constructor, map, suspend, status
 *   dm-cow-context.c  idents: who shares one, who may open what, when it ends
 *   dm-cow-map.c      chunk -> where it reads from; lookup without a lock
 *   dm-cow-known.c    where chunks without a place read from
 *   dm-cow-fault.c    accesses that wait for the controller
 *   dm-cow-grant.c    places that it gave in advance
 *   dm-cow-direct.c   first writes that need neither it nor a copy
 *   dm-cow-copy.c     from an answered fault to a placed run
 *   dm-cow-journal.c  what is placed and not committed, by number
 *   dm-cow-flush.c    FLUSH, FUA and the numbers that they wait for
 *   dm-cow-events.c   what the controller is told
 *   dm-cow-reply.c    what it answers
 *   dm-cow-channel.c  /dev/dm-cow, and who is attached
 *
 * PROTOCOL.md is the design of all of it.
 *
 * Locks, outer before inner:
 *
 *   chan->read_mutex		one reader, or one attach, of a channel at a time
 *   cow_registry (mutex)	the list of contexts, the lines of each, claims
 *   ctx->control (mutex)	one reply at a time; whoever tells of ranges
 *   ctx->lock (irqsave)	all that changes while I/O runs, see below
 *
 * map() and the completions take ctx->lock and nothing else.  Nothing is
 * submitted, completed or copied to user space under it.
 */
#ifndef DM_COW_H
#define DM_COW_H

#include <linux/bio.h>
#include <linux/bits.h>
#include <linux/device-mapper.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/dm-cow.h>

#define DM_MSG_PREFIX "cow"

/* Largest chunk: 1 GiB. */
#define COW_MAX_CHUNK_SHIFT	21
/* A place is kept in 44 bits of sectors. */
#define COW_MAX_SECTORS		BIT_ULL(44)
/* Chunks of a group of the map. */
#define COW_GROUP_SHIFT	8
#define COW_GROUP	BIT(COW_GROUP_SHIFT)
/* Chunks that one fault covers at most. */
#define COW_MAX_FAULT		1024
/* Writes that are merged into one copy; later ones wait for its end. */
#define COW_MAX_MERGE		256
/* Pages of a copy buffer: 64 KiB. */
#define COW_BUF_PAGES		(SZ_64K / PAGE_SIZE)
#define COW_BUF_SECTORS		(SZ_64K >> SECTOR_SHIFT)
/* Buffers of a context: kept for it alone, cached when free, at most. */
#define COW_BUFS_RESERVED	2
#define COW_BUFS_CACHED		8
#define COW_BUFS_MAX		64
/* Copies that the worker starts or goes on with before it looks around. */
#define COW_ROUNDS		256
/* Grants of a context at most, and places of a pool. */
#define COW_MAX_GRANTS		16384
#define COW_MAX_POOL		BIT(17)
/* Ranges at most that were revoked, have places in use, and overlap a new one. */
#define COW_MAX_OVERLAPS	16
/* Milliseconds that a flushing suspend waits for a commit. */
#define COW_SUSPEND_WAIT	5000
/* How map() allocates: without waiting, and not from what reclaim lives on. */
#define COW_GFP_MAP_IO	(GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN)
/* How a reply does: without the last an allocation of a page never fails. */
#define COW_GFP_REPLY	(GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

/**
 * enum cow_state - what the map says about a chunk
 * @COW_UNKNOWN: nothing; the controller must be asked
 * @COW_NONE: no place; reads go to a known source
 * @COW_COPYING: a place was answered, its data is on the way
 * @COW_PLACED: the data is at the place, not committed
 * @COW_COMMITTED: the place survives a power cut
 * @COW_BARRED: inside the map only: as without an entry, but a range that was
 *	granted does not serve the chunk, since its place could not be written
 */
enum cow_state {
	COW_UNKNOWN,
	COW_NONE,
	COW_COPYING,
	COW_PLACED,
	COW_COMMITTED,
	COW_BARRED,
};

/**
 * enum cow_mode - how far a device has degraded; it only goes up
 * @COW_MODE_RW: all is well
 * @COW_MODE_RO: a commit failed: reads go on, writes fail
 * @COW_MODE_FAIL: everything fails
 */
enum cow_mode {
	COW_MODE_RW,
	COW_MODE_RO,
	COW_MODE_FAIL,
};

/**
 * struct cow_extent - answer of a lookup
 * @state: of all chunks in the extent
 * @sourced: the chunks are in a known range (always so for COW_NONE)
 * @barred: ranges that were granted do not serve the chunk
 * @count: chunks from the one asked for on
 * @dev: of the place; COW_NONE: of the source
 * @sector: of the first chunk on @dev
 * @source_dev: COW_COPYING and @sourced: where it reads from until then
 * @source_sector: the same
 */
struct cow_extent {
	enum cow_state state;
	bool sourced;
	bool barred;
	u64 count;
	u32 dev;
	u64 sector;
	u32 source_dev;
	u64 source_sector;
};

/**
 * struct cow_known - ranges of chunks whose source is known
 * @rcu: for readers that still look at it
 * @nr: ranges
 * @ranges: ascending, not overlapping
 *
 * Replaced as a whole under ctx->control, read under RCU.
 */
struct cow_known {
	struct rcu_head rcu;
	unsigned int nr;
	struct cow_range {
		u64 chunk;
		u64 end;
		u64 sector;
		u32 dev;
	} ranges[];
};

struct cow_table;

/**
 * struct cow_map - where the chunks are
 * @table: groups of COW_GROUP chunks that have places; see dm-cow-map.c
 * @known: the ranges for those that have none; see dm-cow-known.c
 * @bytes: memory in use
 * @promise: first chunk of those that the controller has reserved room for
 * @promise_end: chunk behind them
 *
 * Table and promise are written under ctx->lock, ranges under ctx->control; all
 * is read under RCU or ctx->lock, which is a section of RCU.
 */
struct cow_map {
	struct cow_table __rcu *table;
	struct cow_known __rcu *known;
	atomic_long_t bytes;
	u64 promise;
	u64 promise_end;
};

struct cow_room;

/**
 * struct cow_spot - adjoining chunks of one group of the map
 * @slot: entry of the first of them in the group, or NULL
 * @group: the group; like @slot for dm-cow-map.c alone
 * @full: it has an entry for each chunk, and stays until the map goes; another one
 *	may be replaced when ctx->lock is released
 * @chunk: first chunk
 * @count: chunks
 */
struct cow_spot {
	u64 *slot;
	void *group;
	bool full;
	u64 chunk;
	u64 count;
};

/**
 * struct cow_device - a device of a context
 * @bdev: valid while the context has a line
 * @devt: the same for ever
 * @diskseq: the same for ever: another medium behind the number is told apart
 * @sectors: the most that it was seen with since the first line came
 * @kind: as in the table line
 */
struct cow_device {
	struct block_device *bdev;
	dev_t devt;
	u64 diskseq;
	u64 sectors;
	enum cow_device_kind {
		COW_DEV_BASE,
		COW_DEV_COW,
		COW_DEV_LAYER,
		COW_DEV_DATA,
	} kind;
};

struct cow_grant;

/**
 * struct cow_span - adjoining chunks that were given adjoining places
 * @chunk: first chunk
 * @count: chunks
 * @sector: place of the first
 * @grant: that the places are from, or NULL
 * @dev: device of the places
 */
struct cow_span {
	u64 chunk;
	u64 count;
	u64 sector;
	struct cow_grant *grant;
	u32 dev;
};

/**
 * struct cow_run - a span on its way, or one whose copy failed
 * @list: ctx->copying until the copy ends
 * @notice: ctx->notices, while the controller has to be told
 * @in_fault: fault->runs until the copy ends
 * @by_place: ctx->places, until it is committed; not with a grant, which knows
 *	its places itself
 * @at: its chunks and places
 * @source_sector: where the first chunk is filled from
 * @source_dev: device of the source
 * @fill: DM_COW_FILL_*
 * @failed: so did its copy; it belongs to the notices
 * @picture: the notice is part of the picture
 * @peeked: the notice is on its way to the reader
 * @write_side: it was the place that failed
 * @status: an error of its copy
 * @fault: whose answer it is, until the copy ends
 *
 * Under ctx->lock, but for @status, which ends of I/O set.  When it is placed
 * the journal has its span, and only @by_place is left of it.
 */
struct cow_run {
	struct list_head list;
	struct list_head notice;
	struct list_head in_fault;
	struct rb_node by_place;
	struct cow_span at;
	u64 source_sector;
	u32 source_dev;
	u8 fill;
	bool failed;
	bool picture;
	bool peeked;
	bool write_side;
	blk_status_t status;
	struct cow_fault *fault;
};

/**
 * struct cow_entry - a span in the journal
 * @at: its chunks and places
 * @picture: it was on its way when the picture was made, and not told
 */
struct cow_entry {
	struct cow_span at;
	bool picture;
};

struct cow_page;

/**
 * struct cow_cursor - before an entry of the journal
 * @page: its page; NULL: before the first one
 * @index: in it
 */
struct cow_cursor {
	struct cow_page *page;
	unsigned int index;
};

/**
 * struct cow_journal - spans that are placed and not committed
 * @pages: those with entries, the oldest first; the last one is being filled
 * @spare: empty ones
 * @unclaimed: entries that nobody was promised
 * @tell: before the first entry that was not told
 * @told: number of the one before
 *
 * Under ctx->lock.
 */
struct cow_journal {
	struct list_head pages;
	struct list_head spare;
	unsigned int unclaimed;
	struct cow_cursor tell;
	u64 told;
};

/**
 * struct cow_grant - places given in advance
 * @by_place: ctx->granted, until it is used up or revoked
 * @by_chunk: ctx->ranges, a range as long as that
 * @list: ctx->pools in the order of service, or ctx->revoked
 * @news: ctx->grant_news, while it has to be told in the picture
 * @holder: ctx->holders, while @busy
 * @chunk: first chunk of a range, DM_COW_ANY_CHUNK for a pool
 * @count: places, those of a pool that were taken not among them
 * @sector: of the first
 * @first: @sector when it was granted
 * @places: @count then
 * @busy: places that were taken and are not committed
 * @taken: those of a pool, by place; of a range the map says it
 * @dev: their device
 * @peeked: on its way to the reader
 * @live: it is in ctx->granted
 * @told_count: @count when the picture was made
 * @told_sector: @sector then
 *
 * Under ctx->lock.
 */
struct cow_grant {
	struct rb_node by_place;
	struct rb_node by_chunk;
	struct list_head list;
	struct list_head news;
	struct list_head holder;
	u64 chunk;
	u64 count;
	u64 sector;
	u64 first;
	u64 places;
	u64 busy;
	unsigned long *taken;
	u32 dev;
	bool peeked;
	bool live;
	u64 told_count;
	u64 told_sector;
};

/**
 * struct cow_spare - what taking a granted place needs, allocated before
 * @run: for a copy to the places
 * @room: for the map, or NULL
 * @page: for the journal, or NULL
 * @chunks: that it is good for, 0 if it is good for nothing
 * @wanted: something was granted
 */
struct cow_spare {
	struct cow_run *run;
	struct cow_room *room;
	struct cow_page *page;
	u64 chunks;
	bool wanted;
};

/**
 * struct cow_fault - accesses that wait for the same run of chunks
 * @node: ctx->faults, by chunk; no two overlap
 * @by_id: ctx->fault_ids
 * @queue: ctx->asking (to be read), ctx->asked (read) or ctx->held until it
 *	is answered, then ctx->ready, ctx->starved and ctx->busy
 * @ios: writes to be merged, ascending by sector
 * @late: accesses to be mapped again when it ends
 * @runs: what the controller answered so far
 * @id: never used again
 * @chunk: first chunk
 * @count: chunks
 * @answered: chunks that have a run, from the first on
 * @born: jiffies
 * @nr_ios: length of @ios
 * @write: it asks for places, not for a source
 * @unknown: its chunk was unknown when it began
 * @started: completely answered; its copy runs or has to
 * @peeked: the event is on its way to the reader
 * @pending: copies under way, and one while they are being started
 * @copies: chunks that were copied
 * @skipped: chunks that needed none
 * @cursor: sector up to which copies have been started
 *
 * Lives in the per-bio data of the access that began it, its leader, so
 * that asking allocates nothing.  The leader leaves only together with the
 * fault.  Under ctx->lock; @copies, @skipped and @cursor belong to whoever starts
 * the copies: the worker, or map() where the places come from a grant.
 */
struct cow_fault {
	struct rb_node node;
	struct hlist_node by_id;
	struct list_head queue;
	struct list_head ios;
	struct list_head late;
	struct list_head runs;
	u64 id;
	u64 chunk;
	u64 count;
	u64 answered;
	unsigned long born;
	unsigned int nr_ios;
	bool write;
	bool unknown;
	bool started;
	bool peeked;
	atomic_t pending;
	unsigned int copies;
	unsigned int skipped;
	u64 cursor;
};

/**
 * struct cow_direct - a first write on its way to its places (dm-cow-direct.c)
 * @node: ctx->direct, by group of chunks
 * @late: accesses to be mapped again when it ends
 * @news: ctx->direct_news, while the picture has to tell it
 * @peeked: that is on its way to the reader
 * @at: its chunks and places
 * @spot: its chunks in the map
 *
 * Under ctx->lock.
 */
struct cow_direct {
	struct hlist_node node;
	struct list_head late;
	struct list_head news;
	bool peeked;
	struct cow_span at;
	struct cow_spot spot;
};

/**
 * struct cow_before - what a bio was before it was sent below, itself
 * @end_io: its own end
 * @iter: where it began; one that has been below is used up
 * @flags: its bi_flags
 */
struct cow_before {
	bio_end_io_t *end_io;
	struct bvec_iter iter;
	unsigned short flags;
};

/**
 * struct cow_io - a bio while we have it
 * @list: of a fault, of ctx->redo or ctx->broken, or of a flush queue
 * @ctx: whose it is
 * @ti: the line that it came through
 * @sector: first sector, from the start of the mapped device
 * @sectors: length, once it is held
 * @status: what its copy came to
 * @number: flushes: the place number that it waits for
 * @fault: the fault that it leads, if it leads one
 * @direct: its places, while it goes there itself
 * @before: what it was before it went there
 *
 * The per-bio data of both targets.
 */
struct cow_io {
	struct list_head list;
	struct cow_ctx *ctx;
	struct dm_target *ti;
	u64 sector;
	unsigned int sectors;
	blk_status_t status;
	u64 number;
	struct cow_fault fault;
	struct cow_direct direct;
	struct cow_before before;
};

#define COW_FAULT_HASH_BITS	8

/**
 * struct cow_ctx - an ident: one mapped device with one state
 * @ref: lines, channels, itself while it is an orphan, passing users
 * @list: cow_contexts, under cow_registry
 * @ident: its name
 * @md: the mapped device; under cow_registry
 * @lines: its table lines; under cow_registry
 * @nr_lines: their number; written under cow_registry
 * @orphan: it holds a reference to itself and to the module, because it has
 *	uncommitted places and no line; written under cow_registry and @lock
 * @userspace: target "userspace"
 * @chunk_shift: sectors of a chunk, as a power of two
 * @nr_devs: devices
 * @devs: the devices; constant while there are lines
 * @sectors: of the mapped device; grows with its lines
 * @generation: of the device list
 * @wq: runs @work; must not be shared, as a cow device may lie on another
 * @work: copies, direct writes that failed, late accesses, flushes
 * @event_work: raises a dm event; outside rw it ends the writes that are held
 * @expire_work: no controller came in time
 * @nudge_work: places were not heard of
 * @idle: waits for copies and flushes to end
 * @wait: those that read, exchange or poll
 * @control: one reply at a time; whoever tells of ranges
 * @loading: every MAP since LOAD holds; under @control
 * @map: see there
 * @lock: guards all that follows
 * @mode: only __cow_set_mode() writes it
 * @waited: this suspend has waited for a commit already
 * @gone: the last line went, @gone_told the controller knows
 * @left: its end is through, so that the controller may be told
 * @gone_told: see @gone
 * @expired: accesses that need a controller fail
 * @policy_error: they do so @policy_seconds after it went
 * @policy_seconds: see @policy_error
 * @chan: the attached channel, or NULL
 * @epoch: counts attaches
 * @faults: all faults by chunk
 * @fault_ids: the same by id; who answers leaves out those that are started
 * @direct: first writes that go to their places themselves
 * @direct_news: those of them that the picture has to tell
 * @broken: those of them that failed, for the worker
 * @next_id: of a fault
 * @asking: faults that no reader has seen
 * @asked: faults that were read
 * @held: faults that wait for RETRY
 * @ready: faults to be copied, for the worker
 * @starved: faults whose copy waits for buffers, for the worker
 * @busy: faults all of whose copies are under way
 * @filled: buffers with source data, for the worker
 * @redo: accesses to be mapped again, for the worker
 * @nr_started: faults being copied, and direct writes
 * @copying: runs being copied
 * @journal: what is numbered and not committed
 * @places: places of both that were answered, not granted
 * @notices: runs that the controller has to be told about
 * @nr_failed: how many of them failed
 * @picture: PICTURE_END has not been read
 * @picture_number: @number when it was made
 * @nudge: the controller should hear that there are places
 * @heard: of a place up to this number it has
 * @features: those that the controller uses
 * @granted: grants by place; no two overlap
 * @ranges: those of them that are ranges, by chunk
 * @pools: those that are pools, the oldest first
 * @grant_news: those that the picture has to tell
 * @revoked: rests that the controller has to be told
 * @holders: grants of which some places are copying or uncommitted
 * @held_dev: device of the last places that any of @holders had
 * @held_end: sector behind those
 * @revoking: the end of REVOKED has not been told
 * @nr_grants: all of them
 * @nr_taken: spans from grants that are on their way
 * @pool_left: places in pools
 * @pool_low: so few are too few; 0 once the controller was nudged
 * @range_left: places of ranges that were not taken
 * @number: the last one given to a span
 * @committed: all spans up to it are committed
 * @flush_new: flushes that wait for the device flush to begin
 * @flush_dev: flushes in the device flush
 * @flush_commit: flushes that wait for FLUSHED, ascending
 * @flush_number: number of the device flush under way
 * @flush_active: it is under way
 * @commit_asked: a COMMIT waits for a device flush
 * @flush_wanted: highest number that FLUSHED is wanted for
 * @flush_sent: highest number that the controller has read
 * @flush_pending: devices that the device flush waits for
 * @flush_status: its first error
 * @flush_bios: one for each writable device
 * @flush_devs: how many of them
 * @clones: for writes that need no copy
 * @bufs: free buffers
 * @nr_bufs_free: their number
 * @nr_bufs: all buffers
 * @stat: counters for status
 */
struct cow_ctx {
	refcount_t ref;
	struct list_head list;
	char ident[DM_COW_IDENT_LEN];
	struct mapped_device *md;
	struct list_head lines;
	unsigned int nr_lines;
	bool orphan;

	bool userspace;
	unsigned int chunk_shift;
	unsigned int nr_devs;
	struct cow_device *devs;
	u64 sectors;
	u32 generation;

	struct workqueue_struct *wq;
	struct work_struct work;
	struct work_struct event_work;
	struct delayed_work expire_work;
	struct delayed_work nudge_work;
	wait_queue_head_t idle;
	wait_queue_head_t wait;

	/* One reply at a time; whoever tells of ranges. */
	struct mutex control;
	bool loading;
	struct cow_map map;

	/* All that follows; some of it is read without. */
	spinlock_t lock;
	enum cow_mode mode;
	bool waited;
	bool gone;
	bool left;
	bool gone_told;
	bool expired;
	bool policy_error;
	unsigned int policy_seconds;
	struct cow_chan *chan;
	u64 epoch;

	struct rb_root faults;
	DECLARE_HASHTABLE(fault_ids, COW_FAULT_HASH_BITS);
	DECLARE_HASHTABLE(direct, COW_FAULT_HASH_BITS);
	struct list_head direct_news;
	struct list_head broken;
	u64 next_id;
	struct list_head asking;
	struct list_head asked;
	struct list_head held;
	struct list_head ready;
	struct list_head starved;
	struct list_head busy;
	struct list_head filled;
	struct list_head redo;
	unsigned int nr_started;

	struct list_head copying;
	struct cow_journal journal;
	struct rb_root_cached places;
	struct list_head notices;
	unsigned int nr_failed;
	bool picture;
	u64 picture_number;
	bool nudge;
	u64 heard;
	u64 number;
	u64 committed;

	u64 features;
	struct rb_root granted;
	struct rb_root ranges;
	struct list_head pools;
	struct list_head grant_news;
	struct list_head revoked;
	struct list_head holders;
	u32 held_dev;
	u64 held_end;
	bool revoking;
	unsigned int nr_grants;
	unsigned int nr_taken;
	u64 pool_left;
	u64 pool_low;
	u64 range_left;

	struct list_head flush_new;
	struct list_head flush_dev;
	struct list_head flush_commit;
	u64 flush_number;
	bool flush_active;
	bool commit_asked;
	u64 flush_wanted;
	u64 flush_sent;
	atomic_t flush_pending;
	blk_status_t flush_status;
	struct bio *flush_bios;
	unsigned int flush_devs;

	struct bio_set clones;
	struct list_head bufs;
	unsigned int nr_bufs_free;
	unsigned int nr_bufs;

	struct {
		u64 placed;
		u64 uncommitted;
		u64 outstanding;
		u64 served;
		u64 copies;
		u64 skipped;
		u64 errors;
	} stat;
};

/**
 * struct cow_line - a line of a table
 * @list: ctx->lines
 * @ti: the line for the core
 * @ctx: whose it is
 * @policy_error: no_controller error
 * @policy_seconds: its seconds
 * @has_policy: no_controller was given
 * @noflush: the suspend under way is a noflush one
 * @nr_devs: length of @bdevs
 * @bdevs: the devices that it has open, in the order of the context's
 * @kinds: what each of them is
 */
struct cow_line {
	struct list_head list;
	struct dm_target *ti;
	struct cow_ctx *ctx;
	bool policy_error;
	unsigned int policy_seconds;
	bool has_policy;
	bool noflush;
	unsigned int nr_devs;
	struct block_device *bdevs[DM_COW_MAX_DEVICES];
	enum cow_device_kind kinds[DM_COW_MAX_DEVICES];
};

/**
 * struct cow_chan - an open file
 * @read_mutex: one reader, or one attach, at a time
 * @ctx: the context, once attached; never changes after that
 * @owner: the process that attached
 * @buf: events on their way, under @read_mutex
 * @woken: WAKE was called, and no EXCHANGE has waited since; under ctx->lock
 * @peeked_end: PICTURE_END is among them; all that follow under ctx->lock
 * @peeked_gone: GONE is among them
 * @peeked_flush: FLUSH of this number is among them, 0 if none
 * @peeked_revoked: the end of REVOKED is among them
 * @peeked_nudge: TAKEN is among them
 * @peeked_placed: the last number of a place among them
 * @peeked_heard: the last number that they speak of
 */
struct cow_chan {
	/* One reader, or one attach, at a time. */
	struct mutex read_mutex;
	struct cow_ctx *ctx;
	struct pid *owner;
	struct dm_cow_event *buf;
	bool woken;
	bool peeked_end;
	bool peeked_gone;
	u64 peeked_flush;
	bool peeked_revoked;
	bool peeked_nudge;
	u64 peeked_placed;
	u64 peeked_heard;
};

static inline struct bio *cow_io_bio(struct cow_io *io)
{
	return dm_bio_from_per_bio_data(io, sizeof(*io));
}

/*
 * Does a noflush suspend send what is held back to the core?  The core is asked
 * each time: when a suspend is interrupted it stops taking bios back long
 * before it tells the targets.
 */
static inline bool cow_pushback(const struct cow_io *io)
{
	return dm_noflush_suspending(io->ti);
}

static inline void __cow_wake_idle(struct cow_ctx *ctx)
{
	lockdep_assert_held(&ctx->lock);
	/* Who waits looks under ctx->lock as well, so nobody is missed. */
	if (waitqueue_active(&ctx->idle))
		wake_up(&ctx->idle);
}

/*
 * Where a source ends, behind which it reads as zeros.  A disk that was taken
 * away has no sectors any more (del_gendisk()); it is asked all the same for
 * those that it had, and answers with an error.
 *
 * Without a lock: of two who see it grow the later one may keep less, until
 * somebody looks again.
 */
static inline u64 cow_source_sectors(struct cow_device *dev)
{
	u64 now = bdev_nr_sectors(dev->bdev), had = READ_ONCE(dev->sectors);

	if (now > had)
		WRITE_ONCE(dev->sectors, now);
	return max(now, had);
}

static inline u64 cow_chunk_sectors(const struct cow_ctx *ctx)
{
	return 1ULL << ctx->chunk_shift;
}

/* Chunks of the device, the last of which may be cut off. */
static inline u64 cow_nr_chunks(const struct cow_ctx *ctx)
{
	u64 sectors = READ_ONCE(ctx->sectors);

	return (sectors + cow_chunk_sectors(ctx) - 1) >> ctx->chunk_shift;
}

/* Is anything granted?  A guess without the lock. */
static inline bool cow_grant_any(const struct cow_ctx *ctx)
{
	return READ_ONCE(ctx->pool_left) || !RB_EMPTY_ROOT(&ctx->ranges);
}

/* Is anything placed and not committed? */
static inline bool __cow_uncommitted(const struct cow_ctx *ctx)
{
	return ctx->number != ctx->committed;
}

/* Chunks from here to the end of the group. */
static inline u64 cow_map_group_rest(u64 chunk)
{
	return COW_GROUP - (chunk & (COW_GROUP - 1));
}

/*
 * Has the controller not heard of a place that is not committed?  Else it will
 * ask for a commit.
 */
static inline bool __cow_unheard(const struct cow_ctx *ctx)
{
	return ctx->heard <= ctx->committed && __cow_uncommitted(ctx);
}

static inline bool cow_dev_writable(const struct cow_ctx *ctx, u32 dev)
{
	return ctx->devs[dev].kind == COW_DEV_COW ||
	       ctx->devs[dev].kind == COW_DEV_DATA;
}

/* dm-cow-target.c */
int cow_map_long(struct dm_target *ti, struct bio *bio);

/* dm-cow-context.c */
extern struct mutex cow_registry;
int cow_ctx_join(struct cow_line *line, const char *ident, bool userspace,
		 u64 chunk_sectors);
void cow_ctx_leave(struct cow_line *line);
struct cow_ctx *cow_ctx_find(const char *ident);
struct cow_ctx *cow_ctx_next(const char *ident);
void cow_ctx_put(struct cow_ctx *ctx);
void cow_ctx_settled(struct cow_ctx *ctx);
void __cow_set_mode(struct cow_ctx *ctx, enum cow_mode mode, const char *why);
void cow_queue(struct cow_ctx *ctx);
void cow_controller_left(struct cow_ctx *ctx);
void cow_context_exit(void);

/* dm-cow-map.c */
int cow_map_grow(struct cow_ctx *ctx, u64 sectors);
void cow_map_destroy(struct cow_map *map);
int cow_map(struct dm_target *ti, struct bio *bio);
void cow_map_lookup(struct cow_ctx *ctx, u64 chunk, u64 max,
		    struct cow_extent *ext);
bool cow_map_has_place(struct cow_ctx *ctx, u64 chunk);
int cow_map_reserve(struct cow_ctx *ctx, u64 chunk, u64 count, gfp_t gfp);
void cow_map_release(struct cow_ctx *ctx);
int cow_map_prepare(struct cow_ctx *ctx, u64 chunk, u64 count,
		    struct cow_room **room, gfp_t gfp);
bool cow_map_make_room(struct cow_ctx *ctx, u64 chunk, u64 count,
		       struct cow_room **room);
void cow_room_free(struct cow_room *room);
bool cow_map_vacant(struct cow_ctx *ctx, u64 chunk, u64 max,
		    struct cow_spot *spot);
bool __cow_map_spot_room(struct cow_ctx *ctx, struct cow_spot *spot,
			 struct cow_room **room);
void cow_map_begin(struct cow_ctx *ctx, struct cow_spot *spot,
		   const struct cow_span *span);
void cow_map_arrived(struct cow_ctx *ctx, struct cow_spot *spot,
		     const struct cow_span *span);
void cow_map_commit(struct cow_ctx *ctx, const struct cow_span *span);
int cow_map_may_map(struct cow_ctx *ctx, const struct dm_cow_reply *r);
void cow_map_commit_range(struct cow_ctx *ctx, const struct dm_cow_reply *r);
void cow_map_set(struct cow_ctx *ctx, const struct cow_span *span,
		 enum cow_state state);
bool cow_map_leads_to(struct cow_ctx *ctx, u64 chunk, u32 dev, u64 sector);
void cow_map_forget(struct cow_ctx *ctx);

/* dm-cow-known.c */
int cow_known_tell(struct cow_ctx *ctx, const struct cow_range *range);
bool cow_known_all(struct cow_ctx *ctx);
void cow_known_forget(struct cow_ctx *ctx);

/* dm-cow-fault.c */
int cow_map_io(struct cow_io *io, bool in_map);
void cow_redo(struct cow_ctx *ctx);
struct cow_fault *cow_fault_make(struct cow_io *io, u64 count);
u64 cow_fault_gap(struct cow_ctx *ctx, u64 chunk, u64 max);
struct cow_fault *cow_fault_by_id(struct cow_ctx *ctx, u64 id);
int cow_fault_place(struct cow_ctx *ctx, const struct dm_cow_reply *r,
		    gfp_t gfp);
int cow_fault_error(struct cow_ctx *ctx, u64 id, int error);
int cow_fault_hold(struct cow_ctx *ctx, u64 id);
bool cow_fault_forbids_map(struct cow_ctx *ctx, u64 chunk, u64 count);
void cow_fault_told(struct cow_ctx *ctx, u64 chunk, u64 count, bool mapped);
void cow_fault_ask_again(struct cow_ctx *ctx, struct list_head *from);
void cow_release_held(struct cow_ctx *ctx, blk_status_t status);
void cow_fail_writes(struct cow_ctx *ctx);
u64 cow_fault_oldest_ms(struct cow_ctx *ctx);
void cow_end_ios(struct list_head *ios, blk_status_t status);
struct cow_run *cow_run_alloc(gfp_t gfp);
void cow_run_free(struct cow_run *run);
bool __cow_place_insert(struct cow_ctx *ctx, struct cow_run *run);
void __cow_place_erase(struct cow_ctx *ctx, struct cow_run *run);
void __cow_place_committed(struct cow_ctx *ctx, const struct cow_span *at);
void cow_places_exit(struct cow_ctx *ctx);
bool __cow_place_in_use(struct cow_ctx *ctx, u32 dev, u64 sector, u64 count,
			const struct cow_grant *but);
int cow_fault_init(void);
void cow_fault_exit(void);

/* dm-cow-grant.c */
void cow_grant_init(struct cow_ctx *ctx);
void cow_grant_exit(struct cow_ctx *ctx);
void cow_grant_prepare(struct cow_ctx *ctx, u64 chunk, u64 count,
		       struct cow_spare *spare, gfp_t gfp);
void cow_grant_unprepare(struct cow_spare *spare, bool all);
int __cow_grant_take(struct cow_ctx *ctx, u64 chunk,
		     const struct cow_extent *ext, struct cow_spare *spare);
bool __cow_grant_claim(struct cow_ctx *ctx, struct cow_span *span);
void __cow_grant_arrived(struct cow_ctx *ctx);
void __cow_grant_failed(struct cow_ctx *ctx, const struct cow_span *span);
void __cow_grant_release(struct cow_ctx *ctx, const struct cow_span *span);
bool __cow_grant_holds(struct cow_ctx *ctx, u32 dev, u64 sector, u64 count,
		       const struct cow_grant *but);
bool __cow_grant_collides(struct cow_ctx *ctx, u32 dev, u64 sector, u64 chunk,
			  u64 count);
int cow_grant(struct cow_ctx *ctx, const struct dm_cow_reply *r);
void __cow_grant_revoke(struct cow_ctx *ctx);
void __cow_grant_silence(struct cow_ctx *ctx);
void __cow_grant_forget(struct cow_ctx *ctx);
void __cow_grant_picture(struct cow_ctx *ctx);
void __cow_grant_told(struct cow_ctx *ctx, bool told);
void __cow_revoked_told(struct cow_ctx *ctx, bool told, bool end);
bool __cow_revoked_due(const struct cow_ctx *ctx);

/* dm-cow-direct.c */
bool cow_direct_map(struct cow_io *io, struct bio *bio);
struct cow_direct *__cow_direct_find(struct cow_ctx *ctx, u64 chunk);
void __cow_direct_release(struct cow_ctx *ctx, struct list_head *ios);
void cow_direct_work(struct cow_ctx *ctx);
void cow_bio_redirect(struct cow_io *io, struct bio *bio,
		      const struct cow_span *at, bio_end_io_t *end);
void cow_bio_restore(struct cow_io *io, struct bio *bio);

/* dm-cow-journal.c */
void cow_journal_init(struct cow_journal *journal);
void cow_journal_exit(struct cow_journal *journal);
int cow_journal_prepare(struct cow_ctx *ctx, struct cow_page **page, gfp_t gfp);
void cow_page_free(struct cow_page *page);
void __cow_journal_add_page(struct cow_ctx *ctx, struct cow_page *page);
void __cow_journal_unclaim(struct cow_ctx *ctx);
void __cow_placed(struct cow_ctx *ctx, const struct cow_span *span,
		  bool picture);
const struct cow_entry *__cow_journal_oldest(struct cow_ctx *ctx, u64 max,
					     unsigned int *nr);
void __cow_journal_pop(struct cow_ctx *ctx, unsigned int nr);
const struct cow_entry *__cow_journal_next(struct cow_ctx *ctx,
					   struct cow_cursor *at,
					   unsigned int max, unsigned int *nr);
void __cow_journal_told(struct cow_ctx *ctx, u64 number);
void __cow_journal_retell(struct cow_ctx *ctx);

/**
 * __cow_journal_claim - make sure that an entry can be added
 * @ctx: the context; its lock is held
 * @page: what was prepared; taken if it is needed
 *
 * Return: false if it has to be prepared again: others were faster.
 */
static inline bool __cow_journal_claim(struct cow_ctx *ctx,
				       struct cow_page **page)
{
	struct cow_journal *journal = &ctx->journal;

	if (!journal->unclaimed) {
		if (!*page)
			return false;
		__cow_journal_add_page(ctx, *page);
		*page = NULL;
	}
	WRITE_ONCE(journal->unclaimed, journal->unclaimed - 1);
	return true;
}

/* dm-cow-copy.c */
bool cow_copy_is_short(struct cow_io *io);
void cow_copy_granted(struct cow_io *io);
void cow_fault_end(struct cow_ctx *ctx, struct cow_fault *fault);
void cow_copy_work(struct cow_ctx *ctx);
int cow_bufs_init(struct cow_ctx *ctx);
void cow_bufs_exit(struct cow_ctx *ctx);

/* dm-cow-flush.c */
int cow_flush_io(struct cow_io *io);
void __cow_flush_add(struct cow_ctx *ctx, struct cow_io *io);
void cow_flush_begin(struct cow_ctx *ctx);
int cow_flushed(struct cow_ctx *ctx, u64 number, int error);
int cow_abandon(struct cow_ctx *ctx);
void cow_fua_io(struct cow_io *io, u32 dev, u64 sector);
void __cow_commit_soon(struct cow_ctx *ctx);

/* dm-cow-events.c */
void __cow_notify_failed(struct cow_ctx *ctx, struct cow_run *run);
void __cow_forget_notices(struct cow_ctx *ctx);
void __cow_make_picture(struct cow_ctx *ctx);
void __cow_nudge(struct cow_ctx *ctx);
void __cow_nudge_later(struct cow_ctx *ctx);
void cow_nudge_work(struct work_struct *work);
bool __cow_is_ready(const struct cow_ctx *ctx);
bool cow_chan_ready(struct cow_chan *chan);
bool cow_chan_awaited(struct cow_chan *chan);
ssize_t cow_events_read(struct cow_chan *chan, char __user *to, size_t count,
			bool all);

/* dm-cow-reply.c */
size_t cow_replies_write(struct cow_chan *chan, const char __user *from,
			 size_t records, int *err);

/* dm-cow-channel.c */
int cow_channel_init(void);
void cow_channel_exit(void);

#endif
