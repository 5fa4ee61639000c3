package resp

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// command is one command of the protocol.
type command struct {
	name  string
	arity int // of its arguments with its name; negative: at least so many
	// first, last and step say where keys are, as COMMAND tells it.
	first, last, step int
	writes            bool
	// plan makes the op. The commands of the connection itself are in control; those
	// that can stand between MULTI and EXEC have a plan for it, too.
	plan    func(c *conn, args [][]byte) (op, error)
	control func(c *conn, args [][]byte)
	// alone is not allowed between MULTI and EXEC.
	alone bool
	// secret has arguments that nobody is shown.
	secret bool
	family int
}

var (
	table  = map[string]*command{}
	sorted []*command
)

func init() {
	for family, list := range map[int][]*command{familyScript: scriptCommands, familyConnection: connectionCommands,
		familyServer: serverCommands, familyRead: slices.Concat(stringCommands, keyCommands), familyTransaction: txCommands} {
		for _, cmd := range list {
			if cmd.family = family; family == familyRead && cmd.writes {
				cmd.family = familyWrite
			}
		}
		sorted = append(sorted, list...)
	}
	slices.SortFunc(sorted, func(a, b *command) int { return strings.Compare(a.name, b.name) })
	for _, cmd := range sorted {
		table[cmd.name] = cmd
	}
}

// lookup finds the command of that name, in any letter case.
func lookup(name []byte) *command {
	var upper [24]byte
	if len(name) > len(upper) {
		return nil
	}
	for i, b := range name {
		if b >= 'a' && b <= 'z' {
			b -= 'a' - 'A'
		}
		upper[i] = b
	}
	return table[string(upper[:len(name)])]
}

// isHTTP reports whether a request is a line of HTTP: what follows may be what a
// page in a browser makes up, and is not run.
func isHTTP(name []byte) bool {
	return bytes.EqualFold(name, []byte("POST")) || bytes.EqualFold(name, []byte("PUT")) || bytes.EqualFold(name, []byte("HOST:"))
}

// exec runs one request. args are valid until it returns.
func (c *conn) exec(args [][]byte) {
	cmd := lookup(args[0])
	c.cmd = cmd
	if cmd == nil {
		c.refuse(unknown(args))
		if isHTTP(args[0]) {
			c.server.o.Logger.Warn("redis: connection closed: it speaks HTTP", "remote", c.remote)
			c.closing = true
		}
		return
	}
	c.about.last = cmd
	if len(c.server.monitors) > 0 {
		c.server.show(c, cmd, args)
	}
	if cmd.arity > 0 && len(args) != cmd.arity || len(args) < -cmd.arity {
		c.refuse(fmt.Errorf("ERR wrong number of arguments for '%s' command", strings.ToLower(cmd.name)))
		return
	}
	if cmd.control != nil {
		switch {
		case c.multi != nil && cmd.plan != nil:
			c.enqueue(cmd, args)
		case c.multi != nil && cmd.alone:
			c.refuse(notInMulti(cmd))
		default:
			cmd.control(c, args)
		}
		return
	}
	if c.multi != nil {
		c.enqueue(cmd, args)
		return
	}
	if err := cmd.checkKeys(c, args); err != nil {
		c.refuse(err)
		return
	}
	o, err := cmd.plan(c, args)
	if err != nil {
		c.refuse(err)
		return
	}
	c.start(&o)
}

// refuse answers with an error. Between MULTI and EXEC it fails the transaction.
func (c *conn) refuse(err error) {
	if c.multi != nil {
		c.multi.failed = true
	}
	c.answer(func(w *writer) { w.failed(err) })
}

func notInMulti(cmd *command) error {
	return fmt.Errorf("ERR %s is not allowed between MULTI and EXEC", cmd.name)
}

// subcommandError is the error of a command with a subcommand that there is not,
// or with the wrong number of arguments for it.
func subcommandError(command string, args [][]byte, known ...string) error {
	return fmt.Errorf("ERR unknown subcommand or wrong number of arguments for '%.64s'. %s knows %s", args[1], command, strings.Join(known, ", "))
}

// checkKeys refuses what the store could not have as a key.
func (cmd *command) checkKeys(c *conn, args [][]byte) error {
	if cmd.first == 0 {
		return nil
	}
	last := cmd.last
	if last < 0 {
		last += len(args)
	}
	for i := cmd.first; i <= last && i < len(args); i += cmd.step {
		if err := c.server.checkKey(args[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) checkKey(key []byte) error {
	switch most := s.o.Limits.KeyBytes; {
	case len(key) == 0:
		return errors.New("BAD_KEY a key must not be empty")
	case most > 0 && len(key) > most:
		return fmt.Errorf("BAD_KEY a key has at most %d bytes, got %d", most, len(key))
	case !utf8.Valid(key):
		return errors.New("BAD_KEY a key must be UTF-8; encode other bytes, in hexadecimal digits or base64")
	case slices.Contains(key, 0):
		return errors.New("BAD_KEY a key must not contain the byte 0; encode it, in hexadecimal digits or base64")
	}
	return nil
}

// advice says what to use instead of the commands that there are not.
var advice = []struct{ names, instead string }{
	{"HSET HGET HMSET HMGET HGETALL HDEL HEXISTS HINCRBY HKEYS HVALS HLEN HSETNX HSCAN HINCRBYFLOAT HSTRLEN HRANDFIELD",
		"use a key for each field, 'hash/field', and a script with get by bucket; or one value with to_json and from_json"},
	{"LPUSH RPUSH LPOP RPOP LRANGE LLEN LINDEX LSET LREM LTRIM LPUSHX RPUSHX LINSERT LMOVE LPOS LMPOP BLPOP BRPOP BLMOVE BLMPOP RPOPLPUSH BRPOPLPUSH",
		"use keys that sort, 'list/000001', and a script with get by bucket … limit 1"},
	{"SADD SREM SMEMBERS SISMEMBER SCARD SPOP SRANDMEMBER SINTER SUNION SDIFF SMOVE SSCAN SMISMEMBER SINTERSTORE SUNIONSTORE SDIFFSTORE SINTERCARD",
		"use a key for each member, 'set/member', and a script with exists, count by bucket and get by bucket"},
	{"ZADD ZREM ZRANGE ZSCORE ZINCRBY ZCARD ZRANK ZREVRANK ZCOUNT ZRANGEBYSCORE ZREVRANGE ZREVRANGEBYSCORE ZPOPMIN ZPOPMAX BZPOPMIN BZPOPMAX ZREMRANGEBYSCORE ZREMRANGEBYRANK ZRANGEBYLEX ZSCAN ZMSCORE ZRANGESTORE ZUNIONSTORE ZINTERSTORE",
		"use keys that sort by the score, and a script with get by bucket … limit n desc"},
	{"XADD XREAD XREADGROUP XRANGE XREVRANGE XLEN XDEL XACK XGROUP XTRIM XINFO XCLAIM XAUTOCLAIM XPENDING",
		"use keys that sort, 'stream/000001', and a script with get by bucket … after @last"},
	{"SUBSCRIBE PUBLISH PSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SPUBLISH SUNSUBSCRIBE PUBSUB",
		"there are no channels; read what is new with a script: get by bucket … after @last"},
	{"FUNCTION FCALL FCALL_RO", "send the script: EVAL once, then EVALSHA; scripts take names with KAHUNA.RUN source name value"},
	{"SETBIT GETBIT BITCOUNT BITOP BITPOS BITFIELD BITFIELD_RO PFADD PFCOUNT PFMERGE GEOADD GEOSEARCH GEODIST GEOPOS SETRANGE SUBSTR LCS SORT SORT_RO",
		"compute it in a script"},
	{"FLUSHALL", "SELECT 0 or 1 and FLUSHDB"},
	{"SAVE BGSAVE BGREWRITEAOF LASTSAVE", "what is acknowledged is on disk already; kahuna-cli backup writes a backup"},
	{"DUMP RESTORE MIGRATE MOVE SWAPDB OBJECT", "a script reads and writes any key"},
	{"CLUSTER READONLY READWRITE ASKING REPLICAOF SLAVEOF ROLE PSYNC SYNC FAILOVER SHUTDOWN", "this is a single server"},
	{"LATENCY MEMORY DEBUG MODULE ACL LOLWUT", "INFO, SLOWLOG GET and CLIENT LIST tell the state of the server"},
	{"WAITAOF", "what is acknowledged is on disk already"},
}

// unknown is the error of a command that there is not.
func unknown(args [][]byte) error {
	name := strings.ToUpper(string(args[0][:min(len(args[0]), 64)]))
	for _, a := range advice {
		if slices.Contains(strings.Fields(a.names), name) {
			return fmt.Errorf("ERR there is no %s here: %s", name, a.instead)
		}
	}
	return fmt.Errorf("ERR unknown command %q; COMMAND LIST tells those that there are, and EVAL runs a script for the rest", name)
}

// mostMillis bounds a time to live.
const mostMillis = math.MaxInt64 / 1_000_000
