// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: what the controller is told.
 *
 * Events are not stored: a read makes them from the state of the context, and
 * what it has told leaves the queues only when the copy to the reader has
 * succeeded.  In between it is marked as peeked; whatever changes meanwhile
 * loses the mark and is told again.
 */
#include <linux/uaccess.h>

#include "dm-cow.h"

/* So long nobody hears of a place: then the controller's commit timer starts. */
#define COW_NUDGE_AFTER	(HZ / 4)

/* Records moved between locks and user space at once. */
#define COW_READ_BATCH	(PAGE_SIZE / sizeof(struct dm_cow_event))

static_assert(sizeof(struct dm_cow_event) == 64);
static_assert(offsetof(struct dm_cow_event, reserved) == 56);

/**
 * __cow_notify_failed - the controller has to be told that a copy failed
 * @ctx: the context; its lock is held
 * @run: the run; it belongs to the notices from now on
 */
void __cow_notify_failed(struct cow_ctx *ctx, struct cow_run *run)
{
	lockdep_assert_held(&ctx->lock);
	list_del(&run->notice);
	if (!ctx->chan) {
		cow_run_free(run);
		return;
	}
	run->failed = true;
	run->peeked = false;
	list_add_tail(&run->notice, &ctx->notices);
	ctx->nr_failed++;
	wake_up_interruptible(&ctx->wait);
}

static void __notice_done(struct cow_ctx *ctx, struct cow_run *run)
{
	list_del_init(&run->notice);
	run->picture = false;
	run->peeked = false;
	if (run->failed) {
		ctx->nr_failed--;
		cow_run_free(run);
	}
}

static void __direct_done(struct cow_direct *direct)
{
	list_del_init(&direct->news);
	direct->peeked = false;
}

/**
 * __cow_make_picture - a new controller is told all that the last one left
 * @ctx: the context; its lock is held
 */
void __cow_make_picture(struct cow_ctx *ctx)
{
	struct cow_direct *direct;
	struct cow_run *run;
	unsigned int i;

	lockdep_assert_held(&ctx->lock);
	__cow_forget_notices(ctx);
	if (ctx->features & DM_COW_F_GRANT)
		__cow_grant_picture(ctx);
	else
		__cow_grant_forget(ctx);
	list_for_each_entry(run, &ctx->copying, list) {
		run->picture = true;
		list_add_tail(&run->notice, &ctx->notices);
	}
	hash_for_each(ctx->direct, i, direct, node)
		list_add_tail(&direct->news, &ctx->direct_news);
	__cow_journal_retell(ctx);
	ctx->picture_number = ctx->number;
	WRITE_ONCE(ctx->picture, true);
}

/**
 * __cow_forget_notices - nobody is left to be told
 * @ctx: the context; its lock is held
 */
void __cow_forget_notices(struct cow_ctx *ctx)
{
	struct cow_direct *direct, *next_direct;
	struct cow_run *run, *next;

	list_for_each_entry_safe(run, next, &ctx->notices, notice)
		__notice_done(ctx, run);
	list_for_each_entry_safe(direct, next_direct, &ctx->direct_news, news)
		__direct_done(direct);
	__cow_grant_silence(ctx);
}

static void event_span(const struct cow_span *at, bool picture,
		       struct dm_cow_event *event)
{
	event->chunk = at->chunk;
	event->count = at->count;
	event->sector = at->sector;
	event->device = at->dev;
	event->flags = picture ? DM_COW_EVF_PICTURE : 0;
}

static void event_run(const struct cow_run *run, struct dm_cow_event *event)
{
	event_span(&run->at, run->picture, event);
	event->type = run->failed ? DM_COW_EV_FAILED : DM_COW_EV_ANSWERED;
	if (!run->failed)
		return;
	event->error = -blk_status_to_errno(run->status);
	if (run->write_side)
		event->flags |= DM_COW_EVF_WRITE_SIDE;
}

static void event_grant(const struct cow_grant *grant,
			struct dm_cow_event *event, bool picture)
{
	event->type = picture ? DM_COW_EV_GRANTED : DM_COW_EV_REVOKED;
	event->flags = picture ? DM_COW_EVF_PICTURE : 0;
	event->chunk = grant->chunk;
	event->count = picture ? grant->told_count : grant->count;
	event->sector = picture ? grant->told_sector : grant->sector;
	event->device = grant->dev;
}

/* Speaks of the part that has no answer yet. */
static void event_fault(const struct cow_fault *fault,
			struct dm_cow_event *event)
{
	event->type = fault->write ? DM_COW_EV_WRITE_FAULT :
				     DM_COW_EV_READ_FAULT;
	event->flags = fault->write && fault->unknown ? DM_COW_EVF_UNKNOWN : 0;
	event->id = fault->id;
	event->chunk = fault->chunk + fault->answered;
	event->count = fault->count - fault->answered;
}

/* A controller that missed the step down the ladder must not commit. */
static u32 mode_flag(const struct cow_ctx *ctx)
{
	return ctx->mode == COW_MODE_RW ? 0 : DM_COW_EVF_READ_ONLY;
}

static struct dm_cow_event *next_event(struct cow_chan *chan, unsigned int *nr,
				       unsigned int max)
{
	struct dm_cow_event *event;

	if (*nr == max)
		return NULL;
	event = &chan->buf[(*nr)++];
	memset(event, 0, sizeof(*event));
	return event;
}

/* False when not all of them fit; so everywhere below. */
static bool __peek_granted(struct cow_chan *chan, unsigned int *nr,
			   unsigned int max)
{
	struct dm_cow_event *event;
	struct cow_grant *grant;

	list_for_each_entry(grant, &chan->ctx->grant_news, news) {
		event = next_event(chan, nr, max);
		if (!event)
			return false;
		event_grant(grant, event, true);
		grant->peeked = true;
	}
	return true;
}

static bool __peek_notices(struct cow_chan *chan, unsigned int *nr,
			   unsigned int max)
{
	struct dm_cow_event *event;
	struct cow_direct *direct;
	struct cow_run *run;

	list_for_each_entry(run, &chan->ctx->notices, notice) {
		event = next_event(chan, nr, max);
		if (!event)
			return false;
		event_run(run, event);
		run->peeked = true;
	}
	list_for_each_entry(direct, &chan->ctx->direct_news, news) {
		event = next_event(chan, nr, max);
		if (!event)
			return false;
		event_span(&direct->at, true, event);
		event->type = DM_COW_EV_ANSWERED;
		direct->peeked = true;
	}
	return true;
}

/* Entries that lie side by side, the first of them behind what was peeked. */
static void __peek_entries(struct cow_chan *chan, const struct cow_entry *entry,
			   struct dm_cow_event *event, unsigned int nr)
{
	u64 picture_number = chan->ctx->picture_number;
	u64 number = chan->peeked_placed;

	for (; nr--; entry++, event++) {
		bool picture = ++number <= picture_number || entry->picture;

		memset(event, 0, sizeof(*event));
		event_span(&entry->at, picture, event);
		event->type = DM_COW_EV_PLACED;
		event->number = number;
	}
	chan->peeked_placed = number;
}

static bool __peek_placed(struct cow_chan *chan, unsigned int *nr,
			  unsigned int max)
{
	struct cow_ctx *ctx = chan->ctx;
	struct cow_cursor at = ctx->journal.tell;
	const struct cow_entry *entry;
	unsigned int more;

	chan->peeked_placed = ctx->journal.told;
	while (*nr < max &&
	       (entry = __cow_journal_next(ctx, &at, max - *nr, &more))) {
		__peek_entries(chan, entry, &chan->buf[*nr], more);
		*nr += more;
	}
	chan->peeked_heard = chan->peeked_placed;
	return chan->peeked_placed == ctx->number;
}

/* That there are places, to be told later, and how many are left. */
static bool __peek_taken(struct cow_chan *chan, unsigned int *nr,
			 unsigned int max)
{
	struct cow_ctx *ctx = chan->ctx;
	struct dm_cow_event *event;

	if (!ctx->nudge)
		return true;
	event = next_event(chan, nr, max);
	if (!event)
		return false;
	event->type = DM_COW_EV_TAKEN;
	event->count = ctx->pool_left + ctx->range_left;
	event->number = ctx->number;
	chan->peeked_heard = ctx->number;
	chan->peeked_nudge = true;
	return true;
}

static bool __peek_picture_end(struct cow_chan *chan, unsigned int *nr,
			       unsigned int max)
{
	struct cow_ctx *ctx = chan->ctx;
	struct dm_cow_event *event;

	if (!ctx->picture)
		return true;
	event = next_event(chan, nr, max);
	if (!event)
		return false;
	event->type = DM_COW_EV_PICTURE_END;
	event->flags = DM_COW_EVF_PICTURE | mode_flag(ctx);
	event->number = ctx->number;
	chan->peeked_end = true;
	return true;
}

static bool __peek_revoked(struct cow_chan *chan, unsigned int *nr,
			   unsigned int max)
{
	struct cow_ctx *ctx = chan->ctx;
	struct dm_cow_event *event;
	struct cow_grant *grant;

	if (!__cow_revoked_due(ctx))
		return true;
	list_for_each_entry(grant, &ctx->revoked, list) {
		event = next_event(chan, nr, max);
		if (!event)
			return false;
		event_grant(grant, event, false);
		grant->peeked = true;
	}
	event = next_event(chan, nr, max);
	if (!event)
		return false;
	event->type = DM_COW_EV_REVOKED;
	chan->peeked_revoked = true;
	return true;
}

static bool __peek_faults(struct cow_chan *chan, unsigned int *nr,
			  unsigned int max)
{
	struct cow_ctx *ctx = chan->ctx;
	struct dm_cow_event *event;
	struct cow_fault *fault;

	list_for_each_entry(fault, &ctx->asking, queue) {
		event = next_event(chan, nr, max);
		if (!event)
			return false;
		event_fault(fault, event);
		fault->peeked = true;
	}
	return true;
}

static bool flush_due(const struct cow_ctx *ctx)
{
	return ctx->flush_wanted > ctx->flush_sent;
}

static bool gone_due(const struct cow_ctx *ctx)
{
	/* Copies that still run take numbers; grants go back before. */
	return ctx->left && !ctx->gone_told && !ctx->nr_started &&
	       !ctx->revoking;
}

static void __peek_rest(struct cow_chan *chan, unsigned int *nr,
			unsigned int max)
{
	struct cow_ctx *ctx = chan->ctx;
	struct dm_cow_event *event;

	if (gone_due(ctx)) {
		event = next_event(chan, nr, max);
		if (!event)
			return;
		event->type = DM_COW_EV_GONE;
		event->flags = mode_flag(ctx);
		event->number = ctx->number;
		chan->peeked_gone = true;
		chan->peeked_flush = ctx->number;
	} else if (flush_due(ctx)) {
		event = next_event(chan, nr, max);
		if (!event)
			return;
		event->type = DM_COW_EV_FLUSH;
		event->number = ctx->flush_wanted;
		event->flags = mode_flag(ctx) |
			       (ctx->gone ? DM_COW_EVF_SELF_FLUSH : 0);
		chan->peeked_flush = ctx->flush_wanted;
	}
}

/* Does something follow that speaks of places that were not told? */
static bool __places_due(const struct cow_ctx *ctx)
{
	return ctx->picture || flush_due(ctx) || gone_due(ctx) ||
	       __cow_revoked_due(ctx);
}

/*
 * The order is a promise: the picture before everything, places before the
 * flush that includes them.  Hence nothing that did not fit is overtaken.
 *
 * A place costs the controller some hundred instructions, and the memory to
 * keep it in, so it is told when it is needed.
 */
static unsigned int __peek(struct cow_chan *chan, unsigned int max, bool all)
{
	bool places = all || __places_due(chan->ctx);
	unsigned int nr = 0;

	chan->peeked_end = false;
	chan->peeked_gone = false;
	chan->peeked_flush = 0;
	chan->peeked_revoked = false;
	chan->peeked_nudge = false;
	chan->peeked_placed = 0;
	chan->peeked_heard = 0;
	if (__peek_granted(chan, &nr, max) && __peek_notices(chan, &nr, max) &&
	    (!places || __peek_placed(chan, &nr, max)) &&
	    __peek_picture_end(chan, &nr, max) &&
	    __peek_taken(chan, &nr, max) &&
	    __peek_revoked(chan, &nr, max) && __peek_faults(chan, &nr, max))
		__peek_rest(chan, &nr, max);
	return nr;
}

static void __notices_told(struct cow_ctx *ctx, bool told)
{
	struct cow_direct *direct, *next_direct;
	struct cow_run *run, *next;

	list_for_each_entry_safe(run, next, &ctx->notices, notice) {
		if (!run->peeked)
			break;
		run->peeked = false;
		if (told)
			__notice_done(ctx, run);
	}
	list_for_each_entry_safe(direct, next_direct, &ctx->direct_news, news) {
		if (!direct->peeked)
			break;
		direct->peeked = false;
		if (told)
			__direct_done(direct);
	}
}

/* What was peeked was told; or it was not, and stays. */
static void __peek_done(struct cow_chan *chan, bool told)
{
	struct cow_ctx *ctx = chan->ctx;
	struct cow_fault *fault, *next;

	__cow_grant_told(ctx, told);
	__notices_told(ctx, told);
	__cow_revoked_told(ctx, told, chan->peeked_revoked);
	list_for_each_entry_safe(fault, next, &ctx->asking, queue) {
		if (!fault->peeked)
			break;
		fault->peeked = false;
		if (told)
			list_move_tail(&fault->queue, &ctx->asked);
	}
	if (!told)
		return;
	__cow_journal_told(ctx, chan->peeked_placed);
	ctx->heard = max(ctx->heard, chan->peeked_heard);
	if (chan->peeked_end)
		WRITE_ONCE(ctx->picture, false);
	if (chan->peeked_nudge)
		ctx->nudge = false;
	if (chan->peeked_gone)
		ctx->gone_told = true;
	ctx->flush_sent = max(ctx->flush_sent, chan->peeked_flush);
}

/**
 * __cow_nudge - the controller should read, though nobody waits for it
 * @ctx: the context; its lock is held
 */
void __cow_nudge(struct cow_ctx *ctx)
{
	lockdep_assert_held(&ctx->lock);
	ctx->nudge = true;
	/* One that is on its way to the reader is that before. */
	if (ctx->chan)
		ctx->chan->peeked_nudge = false;
	wake_up_interruptible(&ctx->wait);
}

/**
 * __cow_nudge_later - the same, if it hears of no place for a while
 * @ctx: the context; its lock is held
 */
void __cow_nudge_later(struct cow_ctx *ctx)
{
	lockdep_assert_held(&ctx->lock);
	if (__cow_unheard(ctx) && !delayed_work_pending(&ctx->nudge_work))
		queue_delayed_work(ctx->wq, &ctx->nudge_work, COW_NUDGE_AFTER);
}

/**
 * cow_nudge_work - the while has passed
 * @work: ctx->nudge_work
 */
void cow_nudge_work(struct work_struct *work)
{
	struct cow_ctx *ctx = container_of(to_delayed_work(work),
					   struct cow_ctx, nudge_work);

	spin_lock_irq(&ctx->lock);
	if (ctx->chan && __cow_unheard(ctx))
		__cow_nudge(ctx);
	spin_unlock_irq(&ctx->lock);
}

/**
 * __cow_is_ready - does somebody wait for the controller to read?
 * @ctx: the context; its lock is held
 *
 * Places are told together with what somebody waits for.
 */
bool __cow_is_ready(const struct cow_ctx *ctx)
{
	return ctx->picture || !list_empty(&ctx->asking) || flush_due(ctx) ||
	       gone_due(ctx) || ctx->nr_failed || ctx->nudge ||
	       __cow_revoked_due(ctx);
}

/**
 * cow_chan_ready - would a read return at once?
 * @chan: an attached channel
 */
bool cow_chan_ready(struct cow_chan *chan)
{
	struct cow_ctx *ctx = chan->ctx;
	bool ready;

	spin_lock_irq(&ctx->lock);
	ready = ctx->chan != chan || __cow_is_ready(ctx);
	spin_unlock_irq(&ctx->lock);
	return ready;
}

/**
 * cow_chan_awaited - is the wait of an EXCHANGE over?
 * @chan: an attached channel
 *
 * Takes a WAKE back.  WAKE sets its mark under ctx->lock and then wakes; who
 * sleeps looks under ctx->lock after it has queued itself, so none is missed.
 */
bool cow_chan_awaited(struct cow_chan *chan)
{
	struct cow_ctx *ctx = chan->ctx;
	bool over;

	spin_lock_irq(&ctx->lock);
	over = chan->woken || ctx->chan != chan || __cow_is_ready(ctx);
	chan->woken = false;
	spin_unlock_irq(&ctx->lock);
	return over;
}

/* At most a page of them.  Bytes, 0 if there is nothing to tell, or an errno. */
static ssize_t read_page(struct cow_chan *chan, char __user *to, size_t count,
			 bool all)
{
	unsigned int max = min_t(size_t, count / sizeof(struct dm_cow_event),
				 COW_READ_BATCH);
	struct cow_ctx *ctx = chan->ctx;
	unsigned int nr = 0;
	bool stale, failed;
	size_t bytes;

	spin_lock_irq(&ctx->lock);
	stale = ctx->chan != chan;
	if (!stale)
		nr = __peek(chan, max, all);
	spin_unlock_irq(&ctx->lock);
	if (stale)
		return -ESTALE;
	bytes = nr * sizeof(struct dm_cow_event);
	failed = bytes && copy_to_user(to, chan->buf, bytes);
	spin_lock_irq(&ctx->lock);
	stale = ctx->chan != chan;
	if (!stale)
		__peek_done(chan, !failed);
	spin_unlock_irq(&ctx->lock);
	if (stale)
		return -ESTALE;
	return failed ? -EFAULT : bytes;
}

/**
 * cow_events_read - as many events as there are and fit
 * @chan: an attached channel; its read mutex is held
 * @to: where to
 * @count: bytes, enough for one event
 * @all: also places that nothing needs yet
 *
 * Each page goes on where the one before it stopped, so the order holds as it
 * does between two reads.  What was told by then is told, also where the next
 * page fails.
 *
 * Return: bytes, 0 if there is nothing to tell, or an errno.
 */
ssize_t cow_events_read(struct cow_chan *chan, char __user *to, size_t count,
			bool all)
{
	size_t done = 0;
	ssize_t r;

	for (;;) {
		r = read_page(chan, to + done, count - done, all);
		if (r < 0)
			return done ? done : r;
		done += r;
		if (r < COW_READ_BATCH * sizeof(struct dm_cow_event) ||
		    count - done < sizeof(struct dm_cow_event))
			return done;
		cond_resched();
	}
}
