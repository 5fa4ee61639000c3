// Package raftlog is the write-ahead log of all Raft groups of a node. It is
// the only log of the system: the row store keeps none of its own, so what is
// acknowledged here is what survives.
//
// # What it guarantees
//
// Invariant LOG-1: a crash at any byte of any file loses no acknowledged
// write and shows no part of an unacknowledged batch without the rest.
//
// A write is acknowledged when its Done was called with nil. The exception is
// a write that changes nothing but the commit index and does not ask for
// MustSync: Raft can learn a commit index again, so it is written with the
// next frame and may be lost until then. A compaction mark is treated the same
// way: after a crash a group may begin at an older index than before, never at
// a newer one than it was told.
//
// Invariant LOG-2: damage is reported, never repaired by forgetting. Open
// answers *CorruptError and leaves the directory as it was, unless what is
// missing can only be the last, unacknowledged frame.
//
// Invariant LOG-3: after the first failed write or sync nothing is written any
// more. What the disk then holds is unknown, and a second fsync that succeeds
// proves nothing about the first. Reading what was durable keeps working.
//
// Invariant LOG-4: a segment is removed or reused only after a synced frame of
// a later one says that nobody needs it, and every segment begins with the
// whole state of every group, so that the log can be read from any segment on.
//
// It does not guarantee that the last frame before a crash can be told from a
// torn one when the medium loses it after its sync: a bad last frame looks the
// same for both reasons and is cut. After an orderly Close even that is found,
// for the closing frame stands behind it. Nor can it notice that all of its
// files were removed.
//
// # The files
//
//	000007.rlog                                      000008.rlog
//	+--------+-------+-------+-------+------+- - -   +--------+-------+-------+- - -
//	| header | state | frame | frame | seal | zeros  | header | state | frame | zeros
//	+--------+-------+-------+-------+------+- - -   +--------+-------+-------+- - -
//	                                 ^                 |
//	                                 +---- prevEnd ----+
//
//	header  magic 8 | version 4 | 0 4 | sequence 8 | salt 8 | prevSalt 8 |
//	        prevEnd 8 | store 8 | 0 4 | crc 4                  (64 bytes)
//	frame   tag 8 | length 4 | crc 4 | body | zeros to a multiple of 8
//	body    records: kind 1 | group varint | length 4 | payload
//	payload entries      crc 4 | first | count | (term | type | length | data)*
//	        hard state   term | vote | commit
//	        mark, reset  index | term           everything up to index is gone
//	        drop         -                      the group never was
//	        obsolete     sequence               segments up to it are not needed
//	        sealed       -                      the next segment exists
//	        closed       -                      orderly end
//
// Fixed numbers are little endian, the others varints. The salt is random for
// each segment. It is part of the tag and seeds the checksums, together with
// the sequence number and the offset. So bytes left over in a recycled file,
// a frame copied to another place and a value that a client made to look like
// a frame are never taken for a frame.
//
// One frame is written at a time, and synced before the next one is written.
// Therefore a crash leaves at most one incomplete frame, and nothing valid
// behind it; a valid frame behind a bad one proves damage. Every segment but
// the last must be intact up to the length that its successor declares. A file
// gets its .rlog name when its header and first frame are on disk, so a .rlog
// file without them is damaged too.
//
// The state frame holds hard state and compaction mark of every group and the
// obsolete mark. Reading starts behind the newest obsolete mark; entries whose
// predecessors were in a removed segment are accepted if a mark covers the
// gap in the end.
//
// # The life of a write
//
//	Append       queue it, wait while too much is queued, return
//	Enqueue      queue it, return
//	writer       take all that is queued; when it does not fit, start the next
//	             segment: header and state, sync, rename, sync of the
//	             directory, seal of the old segment, sync
//	             encode one frame; write; fdatasync
//	             publish: entries and hard states become visible to readers,
//	             segments nobody needs go to the janitor
//	             call Done of each write, in the order of Append
//	janitor      zero the next segment ahead of its use, remove old ones or
//	             turn one into the next
//
// Open never writes behind a possibly torn tail: it goes on in a new segment,
// whose prevEnd says where the old one ended. Before that it writes the last
// frame again and syncs it, since a process that was killed may have left it
// in the page cache only.
//
// Segments begin small and grow fourfold up to SegmentBytes, so that a store
// with little data takes little space.
//
// # Locks
//
// Log.mu guards the state that readers see, queue.mu the queue, janitor.mu the
// janitor's orders, Log.dirMu the sync of the directory. Only dirMu is held
// during I/O, and no two of them are held together.
package raftlog
