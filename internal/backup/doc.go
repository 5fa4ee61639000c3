// Package backup is the format of a backup: a stream of rows that can be
// written while a store runs and that is checked completely when it is read.
// It knows rows as keys and values in ascending order, and nothing of what is
// in them.
//
// # What it guarantees
//
//   - BACKUP-1: what a Reader hands out up to its io.EOF is what the Writer got,
//     all of it and nothing else. A changed byte, a missing, repeated or moved
//     block, an end before the trailer and anything behind it are errors, which
//     name the offset.
//   - Writer and Reader need memory for a few blocks. A block is about 256 KiB,
//     or one row that is larger.
//   - No input makes a Reader panic, or hold more memory than a few times the
//     longest block, which is bounded by BlockBytesMax.
//
// It does not keep secrets: a backup is neither encrypted nor signed.
//
// # The stream
//
//	+--------+-------+-------+- - - -+-------+---------+
//	| header | block | block |       | block | trailer |
//	+--------+-------+-------+- - - -+-------+---------+
//
//	header   magic 8 | version 4 | rows' format 4 | taken 8 | 0 4 | crc 4
//	frame    kind 1 | codec 1 | 0 2 | raw length 4 | stored length 4 | crc 4 |
//	         body, of the stored length | crc 4
//	block    a frame of kind 1; its body, by codec 0 as it is, by codec 1 in
//	         zstd: (key length | value length | key | value)*
//	trailer  a frame of kind 2; its body: Summary, blocks 8, and the SHA-256 of
//	         everything before this frame 32
//
// Fixed numbers are little endian, the lengths of a row are varints. Every crc
// is a CRC-32C of all of the frame before it, seeded with the frame's offset in
// the stream: no frame is taken for another one. The first crc of a frame is
// checked before its lengths are believed. Magic and version stay where they
// are in every version to come; the magic has a byte above 127 and a line end
// of each kind, so that a transfer as text shows at once.
//
// The codec is zstd at its fastest: rows of a store are keys that resemble each
// other and values that are mostly text, which it makes three to ten times
// smaller at about the speed of a disk, and Pebble has it in every program with
// a store in it anyway. A block that it does not make smaller is stored as it
// is.
package backup
