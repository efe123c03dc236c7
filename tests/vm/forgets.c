// SPDX-License-Identifier: MIT
// Tells a place, runs a command that takes the last line of the table away and brings one back, and then goes on as if nothing had happened.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/dm-cow.h>

#define CHUNK	3

static struct dm_cow_attach attach = {
	.version = DM_COW_ABI_VERSION,
	.event_size = sizeof(struct dm_cow_event),
	.reply_size = sizeof(struct dm_cow_reply),
	.features = DM_COW_F_LOAD,
};
static int channel;

/* 0, or the errno that it was refused with. */
static int answer(struct dm_cow_reply reply)
{
	reply.generation = attach.generation;
	return write(channel, &reply, sizeof(reply)) == sizeof(reply) ? 0 : errno;
}

static int load(void)
{
	return answer((struct dm_cow_reply){ .op = DM_COW_OP_LOAD });
}

static int map(void)
{
	return answer((struct dm_cow_reply){
		.op = DM_COW_OP_MAP, .chunk = CHUNK, .count = 1, .device = DM_COW_DEV_COW, .sector = CHUNK * attach.chunk_sectors,
	});
}

/* All of the device. */
static int rest(void)
{
	return answer((struct dm_cow_reply){
		.op = DM_COW_OP_REST, .count = attach.sectors / attach.chunk_sectors, .device = DM_COW_DEV_BASE,
	});
}

static int expect(const char *what, int error, int want)
{
	printf("%s: %s\n", what, error ? strerror(error) : "done");
	return error != want;
}

int main(int argc, char **argv)
{
	struct dm_cow_event events[8];
	int bad = 0;

	channel = open("/dev/dm-cow", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (argc != 4 || channel < 0)
		return 2;
	snprintf(attach.ident, sizeof(attach.ident), "%s", argv[1]);
	if (ioctl(channel, DM_COW_IOC_ATTACH, &attach) || read(channel, events, sizeof(events)) < 0)
		return 2;
	bad |= expect("LOAD", load(), 0);
	bad |= expect("MAP", map(), 0);
	if (system(argv[2]))
		return 2;
	bad |= expect("REST after the last line", rest(), ECANCELED);
	bad |= expect("LOAD", load(), 0);
	bad |= expect("MAP", map(), 0);
	bad |= expect("REST", rest(), 0);
	return bad || system(argv[3]);
}
