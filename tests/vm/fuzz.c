// SPDX-License-Identifier: MIT
/*
 * fuzz IDENT SECTORS RECORDS [SEED]: serves a device of the target "cow" with one hand, and with the other sends
 * RECORDS replies that are wrong in one way each. The kernel must refuse every one of them, with the errno
 * that PROTOCOL.md names. Then it says so and goes on serving until the ident is GONE.
 * SECTORS is the size of the CoW device. Nothing is sent before the first write to the device. Both hands use
 * read, write and poll in some rounds, and EXCHANGE in the others.
 *
 * Places are given in ascending order and kept in memory: what the device holds can be verified by
 * whoever writes to it meanwhile, and is lost with this process.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/dm-cow.h>

#define PENDING 160		/* more events than a page holds */
#define ATTACKS_PER_ROUND 256
#define BEYOND (1ULL << 44)	/* sectors that no device has */
#define POOL 16			/* places of a pool at most */
#define GRANTED 2048		/* the first chunks have granted places, in the upper half of the device */

static struct dm_cow_attach attach = {
	.version = DM_COW_ABI_VERSION,
	.event_size = sizeof(struct dm_cow_event),
	.reply_size = sizeof(struct dm_cow_reply),
	.features = DM_COW_F_GRANT | DM_COW_F_LOAD,
};
static int channel;
static uint64_t chunks, cow_sectors, next_place, granted, committed, flush_told;
static struct dm_cow_event pending[PENDING], placed;
static unsigned int nr_pending;
static bool gone;

/* Volatile, or the compiler sees through it. */
static void *volatile nowhere = (void *)8;
static void *volatile in_kernel = (void *)0xffffffff81000000UL;

static uint64_t state;

/* xorshift64*: the same sequence everywhere. */
static uint64_t random64(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(uint64_t limit)
{
	return random64() % limit;
}

static uint64_t nonzero(void)
{
	return random64() | 1;
}

static struct dm_cow_reply reply_of(uint32_t op)
{
	return (struct dm_cow_reply){ .op = op, .generation = attach.generation };
}

/* The honest half. */

static void send_reply(const struct dm_cow_reply *reply)
{
	if (write(channel, reply, sizeof(*reply)) != sizeof(*reply))
		err(1, "an honest reply %u for chunk %llu+%llu was refused", reply->op, reply->chunk, reply->count);
}

static struct dm_cow_reply place_of(const struct dm_cow_event *fault)
{
	struct dm_cow_reply reply = reply_of(DM_COW_OP_PLACE);

	reply.fill = DM_COW_FILL_COPY;
	reply.id = fault->id;
	reply.chunk = fault->chunk;
	reply.count = fault->count;
	reply.device = DM_COW_DEV_COW;
	reply.sector = next_place;
	reply.source_device = DM_COW_DEV_BASE;
	reply.source_sector = fault->chunk * attach.chunk_sectors;
	return reply;
}

static void answer_pending(void)
{
	while (nr_pending) {
		struct dm_cow_reply reply = place_of(&pending[--nr_pending]);

		send_reply(&reply);
		next_place += reply.count * attach.chunk_sectors;
	}
}

/* The next first writes do not ask. */
static void grant_pool(void)
{
	struct dm_cow_reply reply = reply_of(DM_COW_OP_GRANT);

	reply.chunk = DM_COW_ANY_CHUNK;
	reply.count = 1 + below(POOL);
	reply.device = DM_COW_DEV_COW;
	reply.sector = next_place;
	send_reply(&reply);
	next_place += reply.count * attach.chunk_sectors;
}

static void commit(uint64_t number)
{
	struct dm_cow_reply reply = reply_of(DM_COW_OP_FLUSHED);

	reply.number = number;
	if (number > committed)
		send_reply(&reply);
	committed = number;
}

static void handle(const struct dm_cow_event *event)
{
	switch (event->type) {
	case DM_COW_EV_WRITE_FAULT:
		pending[nr_pending++] = *event;
		break;
	case DM_COW_EV_PLACED:
		placed = *event;
		break;
	case DM_COW_EV_TAKEN:
		if (event->number < placed.number)
			errx(1, "TAKEN speaks of %llu after %llu", event->number, placed.number);
		break;
	case DM_COW_EV_GONE:
		gone = true;
		/* fall through */
	case DM_COW_EV_FLUSH:
		if (event->number > placed.number)
			errx(1, "place %llu shall be committed, and %llu was the last one told", event->number,
			     placed.number);
		flush_told = event->number;
		commit(event->number);
		break;
	case DM_COW_EV_PICTURE_END:
	case DM_COW_EV_REVOKED:
		break;
	default:
		errx(1, "unexpected event %u for chunk %llu", event->type, event->chunk);
	}
}

/* All the numbers are those of the call; it must not fail. */
static struct dm_cow_exchange exchange(const struct dm_cow_reply *replies, unsigned int nr_replies,
				       struct dm_cow_event *events, unsigned int nr_events, int timeout)
{
	struct dm_cow_exchange x = {
		.replies = (uintptr_t)replies, .nr_replies = nr_replies,
		.events = (uintptr_t)events, .nr_events = nr_events, .timeout_ms = timeout, .error = nonzero(),
	};
	int result;

	do {
		result = ioctl(channel, DM_COW_IOC_EXCHANGE, &x);
	} while (result && errno == EINTR);
	if (result)
		err(1, "EXCHANGE of %u replies and %u events", nr_replies, nr_events);
	if (x.nr_replies > nr_replies || x.nr_events > nr_events)
		errx(1, "EXCHANGE of %u replies and %u events did %u and %u", nr_replies, nr_events, x.nr_replies,
		     x.nr_events);
	if (x.nr_events && (x.nr_replies < nr_replies || x.error))
		errx(1, "EXCHANGE read behind a refused reply");
	return x;
}

static ssize_t read_waiting(struct dm_cow_event *events, unsigned int room, int timeout)
{
	struct pollfd p = { .fd = channel, .events = POLLIN };
	ssize_t bytes;

	if (below(2))
		return exchange(NULL, 0, events, room, timeout).nr_events;
	if (poll(&p, 1, timeout) == 0)
		return 0;
	bytes = read(channel, events, room * sizeof(*events));
	if (bytes < 0 && errno != EAGAIN)
		err(1, "read");
	return bytes / (ssize_t)sizeof(*events);
}

/* Waits without end. */
static struct dm_cow_exchange exchange_and_handle(const struct dm_cow_reply *replies, unsigned int nr_replies)
{
	struct dm_cow_event events[PENDING];
	struct dm_cow_exchange x = exchange(replies, nr_replies, events, PENDING - nr_pending, -1);

	for (unsigned int i = 0; i < x.nr_events; i++)
		handle(&events[i]);
	return x;
}

/* Reads what there is, as far as there is room for faults. */
static bool serve(int timeout)
{
	struct dm_cow_event events[PENDING];
	ssize_t count = read_waiting(events, PENDING - nr_pending, timeout);

	for (ssize_t i = 0; i < count; i++)
		handle(&events[i]);
	return count > 0;
}

/* The other half: each makes a reply that is wrong, and says how it must be refused. */

static int wrong_op(struct dm_cow_reply *r)
{
	*r = reply_of(below(4) ? DM_COW_OP_REST + 1 + below(100) : below(2) ? 0 : nonzero() << 8);
	return EINVAL;
}

static int wrong_generation(struct dm_cow_reply *r)
{
	*r = reply_of(below(DM_COW_OP_REST + 1));
	r->generation += 1 + below(1000);
	return ESTALE;
}

/* A valid reply but for a field that its op does not take. */
static int wrong_field(struct dm_cow_reply *r)
{
	static const struct {
		uint8_t op, takes;
	} ops[] = {
		{ DM_COW_OP_RETRY, 0 }, { DM_COW_OP_COMMIT, 0 }, { DM_COW_OP_ABANDON, 0 },
		{ DM_COW_OP_HOLD, 1 }, { DM_COW_OP_ERROR, 1 | 2 }, { DM_COW_OP_FLUSHED, 4 | 2 },
		{ DM_COW_OP_KNOWN, 8 }, { DM_COW_OP_MAP, 8 },
		{ DM_COW_OP_GRANT, 8 }, { DM_COW_OP_REVOKE, 0 },
		{ DM_COW_OP_LOAD, 0 }, { DM_COW_OP_REST, 8 },
	};
	unsigned int which = below(sizeof(ops) / sizeof(*ops)), takes = ops[which].takes;

	*r = reply_of(ops[which].op);
	if (takes & 2)
		r->error = EIO;
	if (takes & 8)
		r->count = 1;
	for (;;) {
		switch (below(8)) {
		case 0: r->fill = nonzero(); return EINVAL;
		case 1: r->source_device = nonzero(); return EINVAL;
		case 2: r->source_sector = nonzero(); return EINVAL;
		case 3: if (takes & 1) break; r->id = nonzero(); return EINVAL;
		case 4: if (takes & 2) break; r->error = nonzero(); return EINVAL;
		case 5: if (takes & 4) break; r->number = nonzero(); return EINVAL;
		case 6: if (takes & 8) break; r->chunk = nonzero(); return EINVAL;
		case 7: if (takes & 8) break; r->sector = nonzero(); return EINVAL;
		}
	}
}

static void wrong_range(struct dm_cow_reply *r)
{
	switch (below(5)) {
	case 0: r->count = 0; break;
	case 1: r->chunk = chunks + below(1 + chunks); r->count = 1; break;
	case 2: r->chunk = below(chunks); r->count = chunks - r->chunk + 1 + below(chunks); break;
	case 3: r->chunk = 1 + below(chunks - 1); r->count = -r->chunk + below(2); break;
	case 4: r->chunk = -(1 + below(9)); r->count = 1 + below(20); break;
	}
}

static void wrong_place(struct dm_cow_reply *r)
{
	switch (below(6)) {
	case 0: r->device = DM_COW_DEV_BASE; break;
	case 1: r->device = attach.devices + below(300); break;
	case 2: r->device = DM_COW_DEV_ZERO; break;
	case 3: r->sector = random64() | BEYOND; break;
	case 4: r->sector = -(attach.chunk_sectors * (1 + below(4))); break;
	case 5: r->sector = cow_sectors - attach.chunk_sectors * r->count + 1 + below(attach.chunk_sectors); break;
	}
}

static int wrong_map(struct dm_cow_reply *r)
{
	*r = reply_of(DM_COW_OP_MAP);
	r->chunk = below(chunks);
	r->count = 1;
	r->device = DM_COW_DEV_COW;
	if (below(2))
		wrong_range(r);
	else
		wrong_place(r);
	return EINVAL;
}

/* Every chunk is known here: without a place, with one, or asked for. */
static int map_of_known(struct dm_cow_reply *r)
{
	*r = reply_of(DM_COW_OP_MAP);
	r->chunk = below(chunks);
	r->count = 1 + below(chunks - r->chunk < 4096 ? chunks - r->chunk : 4096);
	r->device = DM_COW_DEV_COW;
	/* Behind all places given, so that no chunk is there already. */
	r->sector = next_place;
	return EEXIST;
}

static int wrong_known(struct dm_cow_reply *r)
{
	*r = reply_of(DM_COW_OP_KNOWN);
	r->chunk = below(chunks);
	r->count = 1;
	switch (below(4)) {
	case 0: wrong_range(r); break;
	case 1: r->device = attach.devices + below(300); break;
	case 2: r->device = DM_COW_DEV_ZERO; r->sector = nonzero(); break;
	case 3: r->sector = random64() | BEYOND; break;
	}
	return EINVAL;
}

static int unknown_id(struct dm_cow_reply *r)
{
	static const uint32_t ops[] = { DM_COW_OP_PLACE, DM_COW_OP_HOLD, DM_COW_OP_ERROR };
	struct dm_cow_event fault = { .chunk = below(chunks), .count = 1 };

	*r = reply_of(ops[below(3)]);
	if (r->op == DM_COW_OP_PLACE)
		*r = place_of(&fault);
	if (r->op == DM_COW_OP_ERROR)
		r->error = 1 + below(4095);
	r->id = nonzero() | 1ULL << 63;
	return ENOENT;
}

static int wrong_answer(struct dm_cow_reply *r)
{
	const struct dm_cow_event *fault = &pending[below(nr_pending)];

	*r = place_of(fault);
	switch (below(9)) {
	case 0: wrong_range(r); break;
	case 1: wrong_place(r); break;
	case 2: r->chunk += 1 + below(chunks - r->chunk); break;
	case 3: r->count += 1 + below(2000); break;
	case 4: r->fill = below(2) ? 0 : DM_COW_FILL_NONE + 1 + below(1000); break;
	case 5: r->fill = DM_COW_FILL_ZERO; r->source_sector = nonzero(); break;
	case 6: r->source_device = attach.devices + below(300); break;
	case 7: r->source_device = DM_COW_DEV_ZERO; break;
	case 8: r->source_sector = random64() | BEYOND; break;
	}
	return EINVAL;
}

/* Its place is that of a run that is not committed. */
static int place_given_twice(struct dm_cow_reply *r)
{
	*r = place_of(&pending[below(nr_pending)]);
	r->sector = placed.sector + below(placed.count) * attach.chunk_sectors;
	return EBUSY;
}

/* The granted range never shrinks, and nothing else ever gets its places. */
static uint64_t granted_place(void)
{
	return granted + below(GRANTED) * attach.chunk_sectors;
}

static int place_that_was_granted(struct dm_cow_reply *r)
{
	*r = place_of(&pending[below(nr_pending)]);
	r->sector = granted_place();
	return EBUSY;
}

/* The place of a run that is not committed, whoever gave it. */
static int pool_over_a_place_in_use(struct dm_cow_reply *r)
{
	*r = reply_of(DM_COW_OP_GRANT);
	r->chunk = DM_COW_ANY_CHUNK;
	r->count = 1 + below(2);
	r->device = DM_COW_DEV_COW;
	r->sector = placed.sector + below(placed.count) * attach.chunk_sectors;
	return EBUSY;
}

static int wrong_grant(struct dm_cow_reply *r)
{
	*r = reply_of(DM_COW_OP_GRANT);
	r->chunk = below(2) ? DM_COW_ANY_CHUNK : below(chunks);
	r->count = 1;
	r->device = DM_COW_DEV_COW;
	if (r->chunk != DM_COW_ANY_CHUNK && below(2)) {
		wrong_range(r);
		/* As a pool it would be good. */
		if (r->chunk == DM_COW_ANY_CHUNK)
			r->count = 0;
	} else if (r->chunk == DM_COW_ANY_CHUNK && below(2)) {
		r->count = below(2) ? 0 : cow_sectors / attach.chunk_sectors + 1 + (random64() >> (1 + below(60)));
	} else {
		wrong_place(r);
	}
	return EINVAL;
}

/* Over another grant, or over the same chunks. */
static int granted_twice(struct dm_cow_reply *r)
{
	*r = reply_of(DM_COW_OP_GRANT);
	r->count = 1 + below(8);
	r->device = DM_COW_DEV_COW;
	r->chunk = below(2) ? DM_COW_ANY_CHUNK : below(GRANTED);
	r->sector = r->chunk == DM_COW_ANY_CHUNK || below(2) ? granted_place() :
		granted + (2 * GRANTED + below(GRANTED)) * attach.chunk_sectors;
	return EBUSY;
}

static int wrong_error(struct dm_cow_reply *r)
{
	*r = reply_of(DM_COW_OP_ERROR);
	r->id = pending[below(nr_pending)].id;
	r->error = below(2) ? 0 : 4096 + below(1ULL << 31);
	return EINVAL;
}

static int wrong_flushed(struct dm_cow_reply *r)
{
	*r = reply_of(DM_COW_OP_FLUSHED);
	switch (below(3)) {
	case 0: break;
	case 1: r->number = flush_told + 1 + below(below(2) ? 3 : 1ULL << 62); break;
	case 2: r->number = flush_told; r->error = 4096 + below(1ULL << 31); break;
	}
	return EINVAL;
}

static int abandon_with_a_line(struct dm_cow_reply *r)
{
	*r = reply_of(DM_COW_OP_ABANDON);
	return EBUSY;
}

static int noise(struct dm_cow_reply *r)
{
	uint64_t *words = (uint64_t *)r;

	for (size_t i = 0; i < sizeof(*r) / sizeof(*words); i++)
		words[i] = nonzero();
	r->op = below(13);
	r->generation = attach.generation;
	return EINVAL;
}

#define KINDS 17
static uint64_t made[KINDS], bad_reads, bad_exchanges;

static int make_wrong(struct dm_cow_reply *r)
{
	static int (*const makers[])(struct dm_cow_reply *r) = {
		wrong_op, wrong_generation, wrong_field, wrong_map, map_of_known, wrong_known, unknown_id,
		wrong_flushed, abandon_with_a_line, noise, wrong_grant, granted_twice, wrong_answer, wrong_error,
		place_that_was_granted, place_given_twice, pool_over_a_place_in_use,
	};
	bool uncommitted = placed.number > committed;
	unsigned int which = below(KINDS);

	_Static_assert(sizeof(makers) / sizeof(*makers) == KINDS, "a kind is missing");
	/* A moment that is rare, the more so on a busy machine, is for what only it allows. */
	if (nr_pending && below(2))
		which = uncommitted ? 12 + below(5) : 12 + below(3);
	else if (uncommitted && !below(4))
		which = 16;
	if ((which >= 12 && which <= 15 && !nr_pending) || (which >= 15 && !uncommitted))
		which = below(12);
	made[which]++;
	return makers[which](r);
}

/* A run in which a kind hardly occurred proves less than it says. */
static void check_mixture(uint64_t records)
{
	for (unsigned int i = 0; i < KINDS; i++) {
		if (made[i] < records / 1000)
			errx(1, "only %llu replies of kind %u", (unsigned long long)made[i], i);
	}
	if (!bad_reads || !bad_exchanges)
		errx(1, "nothing was ever read to nowhere");
}

static void print_reply(const struct dm_cow_reply *r)
{
	fprintf(stderr, "op %u fill %u id %llu chunk %llu+%llu at %u:%llu number %llu source %u:%llu error %u "
		"generation %u\n", r->op, r->fill, r->id, r->chunk, r->count, r->device, r->sector, r->number,
		r->source_device, r->source_sector, r->error, r->generation);
}

/* The errno that refused it. */
static int refusal_of(const struct dm_cow_reply *reply)
{
	struct dm_cow_event event;
	struct dm_cow_exchange x;

	if (below(2))
		return write(channel, reply, sizeof(*reply)) == -1 ? errno : 0;
	/* It must not wait. */
	x = exchange(reply, 1, &event, below(2), -1);
	return x.nr_replies ? 0 : x.error;
}

static void attack(void)
{
	struct dm_cow_reply reply;
	int expected = make_wrong(&reply), refused = refusal_of(&reply);

	if (refused == expected)
		return;
	print_reply(&reply);
	errx(1, "expected errno %d, but it %s", expected, refused ? strerror(refused) : "was accepted");
}

/* A valid COMMIT before a wrong reply is carried out, what is behind it is not looked at. */
static void attack_in_a_row(void)
{
	struct dm_cow_reply replies[20];
	struct dm_cow_exchange x;
	size_t good = below(19) + 1;

	for (size_t i = 0; i < 20; i++)
		replies[i] = reply_of(DM_COW_OP_COMMIT);
	wrong_field(&replies[good]);
	if (write(channel, replies, sizeof(replies)) != (ssize_t)(good * sizeof(*replies)))
		errx(1, "a write with a wrong reply at %zu of 20 did not stop there", good);
	x = exchange(replies, 20, NULL, 0, -1);
	if (x.nr_replies != good || x.error != EINVAL)
		errx(1, "an EXCHANGE with a wrong reply at %zu of 20 stopped at %u, errno %u", good, x.nr_replies, x.error);
}

static void must_fail(long result, int expected, const char *what)
{
	if (result == -1 && errno == expected)
		return;
	errx(1, "%s: expected errno %d, got %ld, %s", what, expected, result, strerror(errno));
}

static void attack_sizes(void)
{
	static const size_t sizes[] = { 0, 1, 63, 71, 73, 143, 4096, 72 * 20 - 1 };
	struct dm_cow_event events[2];
	char buffer[8192] = { 0 };
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		must_fail(write(channel, buffer, sizes[i]), EINVAL, "write of an odd size");
	munmap(page + 4096, 4096);
	must_fail(write(channel, nowhere, 72), EFAULT, "write from nowhere");
	must_fail(write(channel, in_kernel, 72), EFAULT, "write from the kernel");
	must_fail(write(channel, page + 4096 - 8, 72), EFAULT, "write across the end of memory");
	for (size_t i = 0; i < sizeof(struct dm_cow_event); i += 9)
		must_fail(read(channel, events, i), EINVAL, "read of less than an event");
	munmap(page, 4096);
}

/* An event that could not be copied out stays: nothing is lost by a bad pointer. */
static void attack_pointers(void)
{
	struct pollfd p = { .fd = channel, .events = POLLIN };

	if (poll(&p, 1, 0) == 1 && nr_pending < PENDING) {
		must_fail(read(channel, nowhere, 4096), EFAULT, "read to nowhere");
		must_fail(read(channel, in_kernel, 64), EFAULT, "read to the kernel");
		if (poll(&p, 1, 0) != 1 || !serve(0))
			errx(1, "an event got lost by a read to nowhere");
		bad_reads++;
	}
}

static void exchange_must_fail(struct dm_cow_exchange x, int expected, const char *what)
{
	must_fail(ioctl(channel, DM_COW_IOC_EXCHANGE, &x), expected, what);
}

/* So many of the replies at the end of a page are accepted, and what is behind it is an error like any other. */
static void exchange_at_the_end_of_memory(void)
{
	struct dm_cow_reply *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* The kernel takes eight at a time. */
	unsigned int good = 8 * below(7);
	struct dm_cow_reply *first = (void *)((char *)page + 4096 - good * sizeof(*page));
	struct dm_cow_exchange x;

	munmap((char *)page + 4096, 4096);
	for (unsigned int i = 0; i < good; i++)
		first[i] = reply_of(DM_COW_OP_COMMIT);
	x = exchange(first, below(2) ? good + 1 : ~0U, NULL, 0, 0);
	if (x.nr_replies != good || x.error != EFAULT)
		errx(1, "an EXCHANGE with %u replies in memory took %u, errno %u", good, x.nr_replies, x.error);
	munmap(page, 4096);
}

/* What was accepted is told although the events have nowhere to go; and they stay. */
static void exchange_with_nowhere(void)
{
	struct pollfd p = { .fd = channel, .events = POLLIN };
	struct dm_cow_reply commit = reply_of(DM_COW_OP_COMMIT);
	struct dm_cow_exchange to_nowhere = {
		.events = (uintptr_t)(below(2) ? nowhere : in_kernel), .nr_events = below(4) ? PENDING : ~0U,
		.timeout_ms = -1,
	}, x;

	if (poll(&p, 1, 0) != 1 || nr_pending == PENDING)
		return;
	exchange_must_fail(to_nowhere, EFAULT, "EXCHANGE to nowhere");
	x = exchange(&commit, 1, nowhere, 1, -1);
	if (x.nr_replies != 1 || x.error || x.nr_events)
		errx(1, "an EXCHANGE to nowhere took %u replies, errno %u", x.nr_replies, x.error);
	if (poll(&p, 1, 0) != 1 || !serve(0))
		errx(1, "an event got lost by an EXCHANGE to nowhere");
	bad_exchanges++;
}

static void attack_exchange(void)
{
	struct dm_cow_event event;
	struct dm_cow_exchange x = { .timeout_ms = -2 - (int)below(1U << 30) };
	void *constant = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	exchange_must_fail(x, EINVAL, "EXCHANGE with a time below -1");
	must_fail(ioctl(channel, DM_COW_IOC_EXCHANGE, nowhere), EFAULT, "EXCHANGE from nowhere");
	must_fail(ioctl(channel, DM_COW_IOC_EXCHANGE, in_kernel), EFAULT, "EXCHANGE from the kernel");
	must_fail(ioctl(channel, DM_COW_IOC_EXCHANGE, constant), EFAULT, "EXCHANGE that cannot be answered");
	munmap(constant, 4096);
	must_fail(ioctl(channel, _IOWR(DM_COW_IOC_MAGIC, 3, char[24]), &x), ENOTTY, "EXCHANGE of another size");
	x = exchange(nowhere, 1 + below(~0U), &event, 1, -1);
	if (x.nr_replies || x.error != EFAULT)
		errx(1, "an EXCHANGE of replies from nowhere took %u, errno %u", x.nr_replies, x.error);
	/* Neither looked at nor waited for. */
	exchange(nowhere, 0, nowhere, 0, -1);
	exchange_at_the_end_of_memory();
	exchange_with_nowhere();
}

static atomic_bool waking;

static void *wake(void *microseconds)
{
	usleep((uintptr_t)microseconds);
	waking = true;
	if (ioctl(channel, DM_COW_IOC_WAKE))
		err(1, "WAKE");
	return NULL;
}

/* Each wait here is without end. */
static void attack_wait(void)
{
	/* Again and again: the first one may come before the wait. */
	struct itimerval soon = { .it_value.tv_usec = 1 + below(2000), .it_interval.tv_usec = 20000 }, never = { 0 };
	struct dm_cow_reply commit = reply_of(DM_COW_OP_COMMIT);
	struct dm_cow_exchange x;
	pthread_t waker;

	if (ioctl(channel, DM_COW_IOC_WAKE))
		err(1, "WAKE");
	/* Whom nobody waits for it does not reach. */
	exchange(&commit, 1, NULL, 0, -1);
	if (nr_pending == PENDING)
		return;
	exchange_and_handle(NULL, 0);
	waking = false;
	if (pthread_create(&waker, NULL, wake, (void *)(uintptr_t)below(2000)))
		errx(1, "no thread");
	while (!waking && nr_pending < PENDING)
		exchange_and_handle(NULL, 0);
	pthread_join(waker, NULL);
	if (nr_pending == PENDING)
		return;
	/* A signal ends it, too, and the reply is not sent twice. */
	setitimer(ITIMER_REAL, &soon, NULL);
	x = exchange_and_handle(&commit, 1);
	setitimer(ITIMER_REAL, &never, NULL);
	if (x.nr_replies != 1 || x.error)
		errx(1, "a signal made of a reply %u, errno %u", x.nr_replies, x.error);
}

static void attach_wrong(int fd, size_t offset, uint32_t value, int expected, const char *what)
{
	struct dm_cow_attach wrong = attach;

	memcpy((char *)&wrong + offset, &value, sizeof(value));
	must_fail(ioctl(fd, DM_COW_IOC_ATTACH, &wrong), expected, what);
}

static void attack_ioctls(void)
{
	int fd = open("/dev/dm-cow", O_RDWR | O_NONBLOCK);
	struct dm_cow_attach other = attach;
	struct dm_cow_list list = { .ident = "" };
	struct dm_cow_exchange x = { .nr_events = 0 };
	char buffer[128];

	must_fail(read(fd, buffer, 64), ENOTCONN, "read before ATTACH");
	must_fail(write(fd, buffer, 72), ENOTCONN, "write before ATTACH");
	must_fail(ioctl(fd, DM_COW_IOC_EXCHANGE, &x), ENOTCONN, "EXCHANGE before ATTACH");
	must_fail(ioctl(fd, DM_COW_IOC_WAKE), ENOTCONN, "WAKE before ATTACH");
	attach_wrong(fd, offsetof(struct dm_cow_attach, version), 99, EPROTO, "wrong version");
	attach_wrong(fd, offsetof(struct dm_cow_attach, event_size), 56, EPROTO, "wrong size of events");
	attach_wrong(fd, offsetof(struct dm_cow_attach, reply_size), 80, EPROTO, "wrong size of replies");
	attach_wrong(fd, offsetof(struct dm_cow_attach, flags), 1U << below(31) << 1, EINVAL, "unknown flag");
	attach_wrong(fd, offsetof(struct dm_cow_attach, ident) + 124, ~0U, EINVAL, "ident with something behind it");
	memset(other.ident, 'x', sizeof(other.ident));
	must_fail(ioctl(fd, DM_COW_IOC_ATTACH, &other), EINVAL, "ident without an end");
	other.ident[sizeof(other.ident) - 1] = 0;
	must_fail(ioctl(fd, DM_COW_IOC_ATTACH, &other), ENOENT, "unknown ident");
	other = attach;
	must_fail(ioctl(fd, DM_COW_IOC_ATTACH, &other), EBUSY, "second controller");
	if (other.owner != (uint32_t)getpid())
		errx(1, "EBUSY names process %u as the owner", other.owner);
	must_fail(ioctl(fd, DM_COW_IOC_ATTACH, nowhere), EFAULT, "ATTACH from nowhere");
	must_fail(ioctl(fd, DM_COW_IOC_LIST, nowhere), EFAULT, "LIST from nowhere");
	memset(list.ident, 'x', sizeof(list.ident));
	must_fail(ioctl(fd, DM_COW_IOC_LIST, &list), EINVAL, "LIST without an end");
	must_fail(ioctl(fd, _IOWR(DM_COW_IOC_MAGIC, 1, char[80]), &other), ENOTTY, "ATTACH of another size");
	must_fail(ioctl(fd, _IO(DM_COW_IOC_MAGIC, 5 + below(251)), &other), ENOTTY, "unknown ioctl");
	close(fd);
	other = attach;
	must_fail(ioctl(channel, DM_COW_IOC_ATTACH, &other), EISCONN, "second ATTACH");
}

static struct dm_cow_reply all_from_base(uint32_t op)
{
	struct dm_cow_reply reply = reply_of(op);

	reply.count = chunks;
	reply.device = DM_COW_DEV_BASE;
	return reply;
}

static void know_all(void)
{
	struct dm_cow_reply known = all_from_base(DM_COW_OP_KNOWN);

	send_reply(&known);
}

/* A range may rely on places only while none of them was refused. */
static void load_all(void)
{
	struct dm_cow_reply rest = all_from_base(DM_COW_OP_REST);
	struct dm_cow_reply load = reply_of(DM_COW_OP_LOAD), map = reply_of(DM_COW_OP_MAP);

	must_fail(write(channel, &rest, sizeof(rest)), ECANCELED, "REST before LOAD");
	send_reply(&load);
	must_fail(write(channel, &map, sizeof(map)), EINVAL, "MAP of no chunk");
	must_fail(write(channel, &rest, sizeof(rest)), ECANCELED, "REST behind a MAP that was refused");
	send_reply(&load);
	send_reply(&rest);
}

/* Gives it, takes it back, gives it again. */
static void grant_some(void)
{
	struct dm_cow_reply grant = reply_of(DM_COW_OP_GRANT), revoke = reply_of(DM_COW_OP_REVOKE);
	struct dm_cow_event events[3];

	if (!(attach.features & DM_COW_F_GRANT))
		errx(1, "grants are not offered");
	granted = cow_sectors / 2 & -attach.chunk_sectors;
	grant.count = GRANTED;
	grant.device = DM_COW_DEV_COW;
	grant.sector = granted;
	send_reply(&grant);
	send_reply(&revoke);
	must_fail(write(channel, &grant, sizeof(grant)), EBUSY, "GRANT before REVOKED was read");
	must_fail(read(channel, nowhere, 128), EFAULT, "REVOKED to nowhere");
	if (read(channel, events, 64) != 64 || events[0].type != DM_COW_EV_REVOKED || events[0].count != GRANTED ||
	    read(channel, events, 128) != 64 || events[0].type != DM_COW_EV_REVOKED || events[0].count)
		errx(1, "REVOKE was not answered by the range and the end");
	send_reply(&grant);
}

static void begin(const char *ident)
{
	struct dm_cow_reply retry;

	channel = open("/dev/dm-cow", O_RDWR | O_NONBLOCK);
	if (strlen(ident) >= sizeof(attach.ident))
		errx(2, "ident too long");
	strcpy(attach.ident, ident);
	if (channel < 0 || ioctl(channel, DM_COW_IOC_ATTACH, &attach))
		err(1, "%s", ident);
	attach.flags = 0;
	retry = reply_of(DM_COW_OP_RETRY);
	must_fail(write(channel, &retry, sizeof(retry)), EBUSY, "RETRY before the picture was read");
	chunks = (attach.sectors + attach.chunk_sectors - 1) / attach.chunk_sectors;
	know_all();
	serve(1000);
	load_all();
	grant_some();
}

static void nothing(int signal)
{
	(void)signal;
}

int main(int argc, char **argv)
{
	struct sigaction ring = { .sa_handler = nothing };
	uint64_t records, sent = 0, seed;

	if (argc < 4)
		errx(2, "usage: fuzz IDENT SECTORS RECORDS [SEED]");
	cow_sectors = strtoull(argv[2], NULL, 10);
	records = strtoull(argv[3], NULL, 10);
	seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 20060726;
	state = seed | 1;
	sigaction(SIGALRM, &ring, NULL);
	begin(argv[1]);
	printf("fuzz: seed %llu, %llu chunks of %llu sectors\n", (unsigned long long)seed, (unsigned long long)chunks,
	       attach.chunk_sectors);
	fflush(stdout);
	while (!nr_pending)
		serve(-1);
	while (sent < records && !gone) {
		for (int i = 0; i < ATTACKS_PER_ROUND && sent < records; i++, sent++)
			attack();
		attack_in_a_row();
		attack_sizes();
		attack_ioctls();
		attack_pointers();
		attack_exchange();
		attack_wait();
		answer_pending();
		if (below(4) == 0)
			grant_pool();
		serve(20);
	}
	check_mixture(records);
	printf("fuzz: %llu wrong replies refused\n", (unsigned long long)sent);
	fflush(stdout);
	while (!gone) {
		serve(-1);
		answer_pending();
	}
	return 0;
}
