// SPDX-License-Identifier: MIT
/*
 * stripe IDENT: a mapping algorithm for the target "userspace", as short as one can be. Chunks go to
 * the devices in turn, as dm-stripe would place them; every chunk is asked for once. Ends with the ident.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/dm-cow.h>

static struct dm_cow_attach attach = {
	.version = DM_COW_ABI_VERSION,
	.event_size = sizeof(struct dm_cow_event),
	.reply_size = sizeof(struct dm_cow_reply),
};

static void answer(int fd, const struct dm_cow_event *event)
{
	struct dm_cow_reply reply = { .generation = attach.generation };

	switch (event->type) {
	case DM_COW_EV_READ_FAULT:
	case DM_COW_EV_WRITE_FAULT:
		reply.op = DM_COW_OP_MAP;
		reply.chunk = event->chunk;
		reply.count = 1;
		reply.device = event->chunk % attach.devices;
		reply.sector = event->chunk / attach.devices * attach.chunk_sectors;
		if (write(fd, &reply, sizeof(reply)) != sizeof(reply))
			err(1, "MAP of chunk %llu", event->chunk);
		break;
	case DM_COW_EV_GONE:
		printf("stripe: done\n");
		_exit(0);
	}
}

int main(int argc, char **argv)
{
	struct dm_cow_event events[64];
	int fd = open("/dev/dm-cow", O_RDWR);
	ssize_t bytes;

	if (argc != 2 || strlen(argv[1]) >= sizeof(attach.ident))
		errx(2, "usage: stripe IDENT");
	strcpy(attach.ident, argv[1]);
	if (fd < 0 || ioctl(fd, DM_COW_IOC_ATTACH, &attach))
		err(1, "%s", argv[1]);
	while ((bytes = read(fd, events, sizeof(events))) > 0) {
		for (size_t i = 0; i < bytes / sizeof(*events); i++)
			answer(fd, &events[i]);
	}
	err(1, "read");
}
