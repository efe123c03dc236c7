// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-cow: what is placed and not committed, in the order of its numbers.
 *
 *   __cow_placed() --> | | |x|x|x|x|x|x| --> FLUSHED (dm-cow-flush.c)
 *                      end   ^told       begin
 *
 * A span that is placed is an entry and nothing else: first writes to places
 * that were granted need no object each.  The entry at the begin has the number
 * behind ctx->committed, the last one ctx->number.  What was told to the
 * controller that is attached lies before a cursor.
 *
 * Places become complete in interrupts, which cannot allocate: room is claimed
 * when a span gets its places.  Pages whose entries are all committed are used
 * again or freed.
 */
#include <linux/gfp.h>

#include "dm-cow.h"

/**
 * struct cow_page - a page of the journal
 * @list: journal->pages or journal->spare
 * @begin: the first entry that is not committed
 * @end: entries that are in use, with those before @begin
 * @entries: in order of number
 */
struct cow_page {
	struct list_head list;
	unsigned int begin;
	unsigned int end;
	struct cow_entry entries[];
};

#define COW_PAGE_ENTRIES	((PAGE_SIZE - sizeof(struct cow_page)) / \
				 sizeof(struct cow_entry))

static struct cow_page *first_page(struct cow_journal *journal)
{
	return list_first_entry_or_null(&journal->pages, struct cow_page, list);
}

/**
 * cow_page_free - a page that is not needed, or not any more
 * @page: from cow_journal_prepare(), NULL is fine
 */
void cow_page_free(struct cow_page *page)
{
	free_page((unsigned long)page);
}

/**
 * cow_journal_prepare - allocate what claiming an entry may need
 * @ctx: the context
 * @page: what was allocated, NULL where it looks as if there were room
 * @gfp: how
 *
 * Context: without ctx->lock, so that it is a guess; see __cow_journal_claim().
 * Return: 0 or -ENOMEM.
 */
int cow_journal_prepare(struct cow_ctx *ctx, struct cow_page **page, gfp_t gfp)
{
	*page = NULL;
	if (READ_ONCE(ctx->journal.unclaimed))
		return 0;
	*page = (struct cow_page *)__get_free_page(gfp);
	if (!*page)
		return -ENOMEM;
	(*page)->begin = 0;
	(*page)->end = 0;
	return 0;
}

/**
 * __cow_journal_add_page - room for more entries
 * @ctx: the context; its lock is held
 * @page: what was prepared
 */
void __cow_journal_add_page(struct cow_ctx *ctx, struct cow_page *page)
{
	struct cow_journal *journal = &ctx->journal;

	lockdep_assert_held(&ctx->lock);
	list_add(&page->list, &journal->spare);
	WRITE_ONCE(journal->unclaimed, journal->unclaimed + COW_PAGE_ENTRIES);
}

/**
 * __cow_journal_unclaim - a span that got places will not be placed
 * @ctx: the context; its lock is held
 */
void __cow_journal_unclaim(struct cow_ctx *ctx)
{
	lockdep_assert_held(&ctx->lock);
	WRITE_ONCE(ctx->journal.unclaimed, ctx->journal.unclaimed + 1);
}

static struct cow_entry *__next_free(struct cow_journal *journal)
{
	struct cow_page *page = NULL;

	if (!list_empty(&journal->pages))
		page = list_last_entry(&journal->pages, struct cow_page, list);
	if (!page || page->end == COW_PAGE_ENTRIES) {
		/* There is one, for the entry was claimed. */
		page = list_first_entry(&journal->spare, struct cow_page, list);
		list_move_tail(&page->list, &journal->pages);
	}
	return &page->entries[page->end++];
}

/**
 * __cow_placed - the data of a span is at its places: it gets its number
 * @ctx: the context; its lock is held
 * @span: in the map already; an entry was claimed for it
 * @picture: the picture of it being on its way was not told
 */
void __cow_placed(struct cow_ctx *ctx, const struct cow_span *span,
		  bool picture)
{
	struct cow_entry *entry = __next_free(&ctx->journal);

	lockdep_assert_held(&ctx->lock);
	entry->at = *span;
	entry->picture = picture;
	ctx->number++;
	ctx->stat.placed += span->count;
	ctx->stat.uncommitted += span->count;
	if (unlikely(__cow_unheard(ctx)))
		__cow_nudge_later(ctx);
	if (span->grant)
		__cow_grant_arrived(ctx);
}

/**
 * __cow_journal_oldest - the oldest entries that lie side by side
 * @ctx: the context; its lock is held
 * @max: how many at most
 * @nr: how many they are
 *
 * Return: the one behind ctx->committed, or NULL.
 */
const struct cow_entry *__cow_journal_oldest(struct cow_ctx *ctx, u64 max,
					     unsigned int *nr)
{
	struct cow_page *page = first_page(&ctx->journal);

	*nr = page ? min_t(u64, max, page->end - page->begin) : 0;
	return *nr ? &page->entries[page->begin] : NULL;
}

/* All entries of the first page are committed. */
static void __page_done(struct cow_journal *journal, struct cow_page *page)
{
	unsigned int freed = page->end;

	if (journal->tell.page == page)
		journal->tell.page = NULL;
	page->begin = 0;
	page->end = 0;
	if (freed == COW_PAGE_ENTRIES && journal->unclaimed >= freed) {
		list_del(&page->list);
		cow_page_free(page);
		return;
	}
	/* One that is not full is the last one, and is filled from its start. */
	if (freed == COW_PAGE_ENTRIES)
		list_move(&page->list, &journal->spare);
	WRITE_ONCE(journal->unclaimed, journal->unclaimed + freed);
}

/**
 * __cow_journal_pop - the oldest entries are committed, or were given up
 * @ctx: the context; its lock is held
 * @nr: how many, from __cow_journal_oldest()
 */
void __cow_journal_pop(struct cow_ctx *ctx, unsigned int nr)
{
	struct cow_journal *journal = &ctx->journal;
	struct cow_page *page = first_page(journal);

	lockdep_assert_held(&ctx->lock);
	ctx->committed += nr;
	journal->told = max(journal->told, ctx->committed);
	page->begin += nr;
	if (page->begin == page->end)
		__page_done(journal, page);
}

/* Moves a cursor to where there is an entry; false at the end. */
static bool __seek(struct cow_journal *journal, struct cow_cursor *at)
{
	struct cow_page *page = at->page;

	if (!page) {
		page = first_page(journal);
		if (!page)
			return false;
		at->index = 0;
	}
	at->index = max(at->index, page->begin);
	if (at->index == page->end && !list_is_last(&page->list,
						    &journal->pages)) {
		page = list_next_entry(page, list);
		at->index = page->begin;
	}
	at->page = page;
	return at->index < page->end;
}

/**
 * __cow_journal_next - entries behind a cursor that lie side by side
 * @ctx: the context; its lock is held, and was since the cursor was set
 * @at: the cursor, which moves behind the entries
 * @max: how many at most
 * @nr: how many they are
 *
 * Return: the first of them, or NULL at the end.
 */
const struct cow_entry *__cow_journal_next(struct cow_ctx *ctx,
					   struct cow_cursor *at,
					   unsigned int max, unsigned int *nr)
{
	const struct cow_entry *first;

	if (!__seek(&ctx->journal, at))
		return NULL;
	first = &at->page->entries[at->index];
	*nr = min(max, at->page->end - at->index);
	at->index += *nr;
	return first;
}

/**
 * __cow_journal_told - the controller has read about entries
 * @ctx: the context; its lock is held
 * @number: of the last of them
 */
void __cow_journal_told(struct cow_ctx *ctx, u64 number)
{
	struct cow_journal *journal = &ctx->journal;
	struct cow_cursor *tell = &journal->tell;

	while (journal->told < number && __seek(journal, tell)) {
		u64 step = min_t(u64, number - journal->told,
				 tell->page->end - tell->index);

		tell->index += step;
		journal->told += step;
	}
}

/**
 * __cow_journal_retell - a new controller is told of all that is not committed
 * @ctx: the context; its lock is held
 */
void __cow_journal_retell(struct cow_ctx *ctx)
{
	ctx->journal.tell.page = NULL;
	ctx->journal.told = ctx->committed;
	ctx->heard = ctx->committed;
}

/**
 * cow_journal_init - nothing is placed
 * @journal: of a new context
 */
void cow_journal_init(struct cow_journal *journal)
{
	INIT_LIST_HEAD(&journal->pages);
	INIT_LIST_HEAD(&journal->spare);
}

/**
 * cow_journal_exit - free all of it
 * @journal: of a context that ends
 */
void cow_journal_exit(struct cow_journal *journal)
{
	struct cow_page *page, *next;

	list_splice_init(&journal->spare, &journal->pages);
	list_for_each_entry_safe(page, next, &journal->pages, list)
		cow_page_free(page);
}
