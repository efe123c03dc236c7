// SPDX-License-Identifier: MIT
/*
 * Writes stamped 4 KiB blocks at random places of a device, syncs after every few of them, and puts a mark into the
 * log of dm-log-writes whenever a sync has completed. A journal says what was written and which mark promises what;
 * tests/Cow.Replay holds replays of the log against it.
 *
 *   synced DEVICE JOURNAL LOG-DEVICE-NAME SEED WRITES BYTES      LOG-DEVICE-NAME "-": no marks
 *
 * Three threads, each the only writer of its blocks, so that the versions of a block are ordered; they share chunks.
 * A sync is an fdatasync, which promises all that its thread wrote before, or an O_DSYNC write (FUA), which promises
 * itself. Journal lines: "W version block count", before the write; "D mark version...", before the mark is set.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define THREADS		3
#define BLOCK_BYTES	4096
#define SECTOR_WORDS	64
#define MAX_RUN		16
#define MAX_UNSYNCED	16
#define MAGIC		0x31766465636e7973ULL	/* "syncedv1" */

enum { WORD_MAGIC, WORD_BLOCK, WORD_VERSION, WORD_INDEX, WORD_CHECKSUM, WORD_FILL };

struct extent {
	uint64_t block, count;
};

struct worker {
	pthread_t thread;
	unsigned int number;
	uint64_t random;
	uint64_t unsynced[MAX_UNSYNCED];
	struct extent where[MAX_UNSYNCED];
	unsigned int pending;
	uint64_t *buffer;
};

static int plain, dsync, control = -1;
static const char *log_name;
static FILE *journal;
static pthread_mutex_t journal_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t blocks, writes;
static atomic_ullong last_version, last_mark, syncs, fua;

static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static void stamp(uint64_t *sector, uint64_t block, uint64_t version, uint64_t index)
{
	uint64_t state = block << 40 ^ version << 8 ^ index, hash = 0xcbf29ce484222325ULL;

	sector[WORD_MAGIC] = MAGIC;
	sector[WORD_BLOCK] = block;
	sector[WORD_VERSION] = version;
	sector[WORD_INDEX] = index;
	for (int i = WORD_FILL; i < SECTOR_WORDS; i++)
		sector[i] = mix(&state);
	for (int i = 0; i < SECTOR_WORDS; i++)
		if (i != WORD_CHECKSUM)
			hash = (hash ^ sector[i]) * 0x100000001b3ULL;
	sector[WORD_CHECKSUM] = hash;
}

static void mark(uint64_t number)
{
	struct {
		struct dm_ioctl head;
		struct dm_target_msg message;
		char text[64];
	} request = {
		.head = {
			.version = { DM_VERSION_MAJOR, 0, 0 },
			.data_size = sizeof(request),
			.data_start = sizeof(struct dm_ioctl),
		},
	};

	if (control < 0)
		return;
	strncpy(request.head.name, log_name, sizeof(request.head.name) - 1);
	snprintf(request.message.message, sizeof(request.text), "mark %llu", (unsigned long long)number);
	if (ioctl(control, DM_TARGET_MSG, &request))
		err(1, "mark in %s", log_name);
}

/* The journal is complete before the mark is in the log. */
static void promise(const uint64_t *versions, unsigned int count)
{
	uint64_t number = atomic_fetch_add(&last_mark, 1) + 1;

	pthread_mutex_lock(&journal_lock);
	fprintf(journal, "D %llu", (unsigned long long)number);
	for (unsigned int i = 0; i < count; i++)
		fprintf(journal, " %llu", (unsigned long long)versions[i]);
	fputc('\n', journal);
	pthread_mutex_unlock(&journal_lock);
	mark(number);
}

static void sync_all(struct worker *w)
{
	if (fdatasync(plain))
		err(1, "fdatasync");
	promise(w->unsynced, w->pending);
	w->pending = 0;
	atomic_fetch_add(&syncs, 1);
}

/*
 * dm-log-writes logs a FUA write when it completes, plain ones when a flush covers them: an older plain write to the
 * same block would come later in the log, and win. So such a block is synced first.
 */
static int overlaps_unsynced(const struct worker *w, uint64_t block, uint64_t count)
{
	for (unsigned int i = 0; i < w->pending; i++)
		if (block < w->where[i].block + w->where[i].count && w->where[i].block < block + count)
			return 1;
	return 0;
}

/*
 * Blocks go to the threads in groups of 4, in the second half of the device of 16: small chunks are then written whole.
 * Every other write goes to a sixteenth of the groups, which are soon placed and committed.
 */
static void write_some(struct worker *w, int fd)
{
	uint64_t group = mix(&w->random) % 2 ? 4 : 16, half = blocks / 2;
	uint64_t groups = half / group / THREADS / (mix(&w->random) % 2 ? 16 : 1);
	uint64_t start = mix(&w->random) % groups * THREADS + w->number;
	uint64_t first = mix(&w->random) % group, count = mix(&w->random) % (group - first) + 1;
	uint64_t block = (group == 16 ? half : 0) + start * group + first;
	uint64_t version = atomic_fetch_add(&last_version, 1) + 1;

	if (mix(&w->random) % 4 == 0) {
		block -= first;
		count = group;
	}
	if (fd == dsync && overlaps_unsynced(w, block, count))
		sync_all(w);
	for (uint64_t i = 0; i < count * 8; i++)
		stamp(w->buffer + i * SECTOR_WORDS, block + i / 8, version, i % 8);
	pthread_mutex_lock(&journal_lock);
	fprintf(journal, "W %llu %llu %llu\n", (unsigned long long)version, (unsigned long long)block,
		(unsigned long long)count);
	pthread_mutex_unlock(&journal_lock);
	if (pwrite(fd, w->buffer, count * BLOCK_BYTES, block * BLOCK_BYTES) != (ssize_t)(count * BLOCK_BYTES))
		err(1, "write of %llu blocks at block %llu", (unsigned long long)count, (unsigned long long)block);
	if (fd == dsync) {
		promise(&version, 1);
		atomic_fetch_add(&syncs, 1);
		atomic_fetch_add(&fua, 1);
	} else {
		w->where[w->pending] = (struct extent){ block, count };
		w->unsynced[w->pending++] = version;
	}
}

static void *work(void *data)
{
	struct worker *w = data;

	for (uint64_t i = w->number; i < writes; i += THREADS) {
		uint64_t what = mix(&w->random) % 10;

		write_some(w, what == 0 ? dsync : plain);
		if (what == 1 || w->pending == MAX_UNSYNCED)
			sync_all(w);
	}
	sync_all(w);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS];
	uint64_t seed;

	if (argc != 7)
		errx(2, "usage: synced DEVICE JOURNAL LOG-DEVICE-NAME SEED WRITES BYTES");
	log_name = argv[3];
	seed = strtoull(argv[4], NULL, 0);
	writes = strtoull(argv[5], NULL, 0);
	blocks = strtoull(argv[6], NULL, 0) / BLOCK_BYTES;
	plain = open(argv[1], O_RDWR | O_DIRECT);
	dsync = open(argv[1], O_RDWR | O_DIRECT | O_DSYNC);
	journal = fopen(argv[2], "w");
	if (plain < 0 || dsync < 0 || !journal)
		err(1, "%s or %s", argv[1], argv[2]);
	if (strcmp(log_name, "-")) {
		control = open("/dev/mapper/control", O_RDWR);
		if (control < 0)
			err(1, "/dev/mapper/control");
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		struct worker *w = &workers[i];

		w->number = i;
		w->random = seed * THREADS + i;
		if (posix_memalign((void **)&w->buffer, BLOCK_BYTES, MAX_RUN * BLOCK_BYTES))
			errx(1, "no memory");
		if (pthread_create(&w->thread, NULL, work, w))
			errx(1, "no thread");
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	if (fclose(journal))
		err(1, "%s", argv[2]);
	printf("seed %llu, %llu writes, %llu syncs, %llu of them FUA\n", (unsigned long long)seed,
	       (unsigned long long)writes, (unsigned long long)syncs, (unsigned long long)fua);
	return 0;
}
