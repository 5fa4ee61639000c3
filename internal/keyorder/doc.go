// Package keyorder walks rows that are in store order in the order of their
// keys' bytes. It does no I/O and reads no clock; its caller brings cursors.
//
// # The two orders
//
// Store order is by bucket, then by rest: a key's bucket is the text before its
// last slash, its rest what follows. A key without a slash is its own bucket,
// and comes before all keys of that bucket that have one. In bytes a-c is below
// a/b, which is below a/b/c and a/z; in store order the bucket a with a/b and
// a/z comes first, then a-c, then the bucket a/b.
//
// # What a Walk guarantees
//
// It delivers every key of its Range once, in the order of the bytes, ascending
// or descending. A walk that goes on behind a key (Range.After) delivers what
// the first one had still to deliver. It keeps one key of each bucket that it
// is in the middle of, and reads no row behind the last key delivered but the
// first ones of buckets; there is no limit to give, a caller just stops.
//
// It does not protect itself against rows that change; it may then miss keys,
// or end with ErrChanged. It tells nothing of the rows: what is deleted or
// expired is delivered like the rest.
//
// # How it works
//
// Within a bucket, the two orders are the same. So a walk merges streams: a
// stream is a bucket that was opened, and its head is the next of its keys. It
// opens buckets in store order, and delivers the head that comes next once no
// unopened bucket can have a key before it. What it must know for that is:
//
//	(1) Every key of a bucket B begins with B, so it is not below B.
//	(2) If B is below a text T and no prefix of T, all keys of B are below T.
//	(3) If B is a proper prefix of T, and the byte of T behind it is above '/',
//	    all keys of B are below T too. If that byte is '/' or below it, keys of
//	    B may be above T; B is then called an ancestor of T.
//
// Ascending. Before the first key the walk opens the ancestors of the start: by
// (2) and (3) no other bucket below the start has keys in the range. It then
// opens the buckets from the start on. The first one that is unopened is the
// frontier. By (1) no unopened bucket has a key below the frontier: as long as
// the least head is not above it, it is delivered. It is also delivered, without a look at
// the frontier, if it is not above the last bucket that was opened, because the
// frontier is above that.
//
// Descending. The walk opens the buckets below the end, from the greatest one
// down, and with each all of its ancestors, which may lie far below it. Let L
// be the last bucket that was opened so. An unopened bucket is below L and no
// ancestor of it, so by (2) and (3) all of its keys are below L: a head that is
// not below L is delivered. Once no bucket from the start on is left, the start
// itself stands for L: its ancestors are opened, and all that is unopened is
// below the start.
//
// The ancestors of L that are ancestors of the bucket before it were looked for
// already. Of the others, none is above N, the next bucket below L; and one that
// is not above N is a prefix of N too, or by (2) L would be below N. So only
// prefixes of both are looked for, longest first; where one is not found, the
// seek has led to the next bucket below it, which rules out others in the same
// way. Where keys have no slash, N is one step away, and
// most keys have no ancestor left to look for.
//
// # Cost
//
// Streams do not interleave: if the bucket B is a proper prefix of C, no key
// of B is between two keys of C: if C goes on with '/', that key would begin
// with C + "/" and have a rest with a slash; otherwise the keys of C are all
// below, or all above, those of B with a slash. So a bucket is entered and left once, and
// each costs at most two seeks of rows. One step delivers a key.
//
// The cursor ahead costs one seek for each bucket that was opened, forward only
// when ascending, and none where the stream that ends in the last bucket shows
// the next one: that is so for keys without a slash, and descending for all
// buckets that have no ancestors of their own. Descending, a look for ancestors
// that finds none is paid once for all buckets that begin with the same text,
// and only where there are two of them.
//
//	one bucket of n keys                   n steps, up to 3 seeks
//	n keys without a slash                 n steps, 2 seeks; descending up to 2n
//	                                       steps; where groups of keys have an
//	                                       ancestor in common, a seek for each
//	n buckets of one key                   n steps; n seeks ascending
//	n buckets between the keys of another  3n seeks ascending, 2n descending
//	the first key                          a few seeks, and one for each ancestor
//	                                       of the start, and of the bucket of the
//	                                       key, that the range leaves possible
//	a walk of one bucket, by NewBucket     a step for each key, one seek
//
// A prefix leaves one ancestor of its start possible, its own bucket. The
// streams that are open at a time are ancestors of the last bucket or two, so
// at most twice as many as that has bytes up to '/'. A walk allocates when it
// begins and when a key is longer than those before. TestSeeks counts all that.
package keyorder
