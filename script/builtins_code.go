package script

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"math/rand/v2"
	"strings"

	"github.com/google/uuid"
)

// digest feeds s to h, in pieces.
func digest(e *callEnv, h hash.Hash, s string) *Error {
	e.meter.read(len(s))
	return e.meter.pieces(s, func(p string) { _, _ = h.Write([]byte(p)) })
}

// hexOf makes the sum of h a text.
func hexOf(e *callEnv, h hash.Hash) (Value, *Error) {
	if err := e.meter.makeString(int64(2 * h.Size())); err != nil {
		return Null, err
	}
	return String(hex.EncodeToString(h.Sum(nil))), nil
}

func callCRC32(e *callEnv, args []Value) (Value, *Error) {
	s, err := stringArg("crc32", args[0])
	if err != nil {
		return Null, err
	}
	h := crc32.NewIEEE()
	if err := digest(e, h, s); err != nil {
		return Null, err
	}
	return Int(int64(h.Sum32())), nil
}

func callSHA256(e *callEnv, args []Value) (Value, *Error) {
	s, err := stringArg("sha256", args[0])
	if err != nil {
		return Null, err
	}
	h := sha256.New()
	if err := digest(e, h, s); err != nil {
		return Null, err
	}
	return hexOf(e, h)
}

func callHMACSHA256(e *callEnv, args []Value) (Value, *Error) {
	key, s, err := twoStrings(e, "hmac_sha256", args)
	if err != nil {
		return Null, err
	}
	h := hmac.New(sha256.New, []byte(key))
	if err := digest(e, h, s); err != nil {
		return Null, err
	}
	return hexOf(e, h)
}

func callBase64Encode(e *callEnv, args []Value) (Value, *Error) {
	return encoded(e, "base64_encode", args[0], base64.StdEncoding.EncodedLen, base64.StdEncoding.AppendEncode)
}

func callHexEncode(e *callEnv, args []Value) (Value, *Error) {
	return encoded(e, "hex_encode", args[0], hex.EncodedLen, hex.AppendEncode)
}

// encodePiece is how many bytes are encoded at a time, whole groups of base64.
const encodePiece = pollBytes / 3 * 3

func encoded(e *callEnv, name string, v Value, size func(int) int, encode func(dst, src []byte) []byte) (Value, *Error) {
	s, err := stringArg(name, v)
	if err != nil {
		return Null, err
	}
	if err := e.meter.makeString(int64(size(len(s)))); err != nil {
		return Null, err
	}
	e.meter.read(len(s))
	var b strings.Builder
	b.Grow(size(len(s)))
	for {
		n := min(len(s), encodePiece)
		b.Write(encode(nil, []byte(s[:n])))
		if s = s[n:]; s == "" {
			return String(b.String()), nil
		}
		if err := e.meter.poll(); err != nil {
			return Null, err
		}
	}
}

func callBase64Decode(e *callEnv, args []Value) (Value, *Error) {
	s, err := stringArg("base64_decode", args[0])
	if err != nil {
		return Null, err
	}
	if err := e.meter.makeString(int64(base64.StdEncoding.DecodedLen(len(s)))); err != nil {
		return Null, err
	}
	e.meter.read(len(s))
	// The decoder skips line ends, which are not of the alphabet.
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		return Null, errf(CodeRange, "base64_decode() needs base64 text; it is not at byte %d", i)
	}
	b, bad := base64.StdEncoding.Strict().DecodeString(s)
	if bad != nil {
		at := len(s)
		if c, ok := bad.(base64.CorruptInputError); ok {
			at = int(c)
		}
		return Null, errf(CodeRange, "base64_decode() needs base64 text; it is not at byte %d", at)
	}
	return String(string(b)), nil
}

func callHexDecode(e *callEnv, args []Value) (Value, *Error) {
	s, err := stringArg("hex_decode", args[0])
	if err != nil {
		return Null, err
	}
	if err := e.meter.makeString(int64(hex.DecodedLen(len(s)))); err != nil {
		return Null, err
	}
	e.meter.read(len(s))
	b, bad := hex.DecodeString(s)
	switch {
	case len(s)%2 != 0 && (bad == nil || len(b)*2 == len(s)-1):
		return Null, errf(CodeRange, "hex_decode() needs two digits for each byte, got %d", len(s))
	case bad != nil:
		return Null, errf(CodeRange, "hex_decode() needs hexadecimal digits, got another character behind %d of them", 2*len(b))
	}
	return String(string(b)), nil
}

// callRandom and callUUID draw where the script runs: what it writes and
// answers is replicated as it is.
func callRandom(_ *callEnv, args []Value) (Value, *Error) {
	n, err := whole(args[0], "random()")
	if err != nil {
		return Null, err
	}
	if n < 1 {
		return Null, errf(CodeRange, "random() must be at least 1, got %d", n)
	}
	return Int(rand.Int64N(n)), nil
}

func callUUID(e *callEnv, _ []Value) (Value, *Error) {
	if err := e.meter.makeString(36); err != nil {
		return Null, err
	}
	id, bad := uuid.NewRandom()
	if bad != nil {
		return Null, errf(CodeStorage, "uuid() got no random numbers: %v", bad)
	}
	ms := uint64(e.tx.Now())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = 7<<4 | id[6]&0x0f
	return String(id.String()), nil
}
