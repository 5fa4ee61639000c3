package resp

import (
	"fmt"
	"strings"
	"testing"
)

// flat is an answer on one line.
func flat(answer string) string {
	return strings.TrimRight(strings.ReplaceAll(answer, "\r\n", " "), " ")
}

// steps are requests and answers, of one connection. An answer of ? is any.
func steps(t *testing.T, c *rawClient, list string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
		req, want, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if !ok {
			t.Fatalf("no step: %q", line)
		}
		args, ok := words([]byte(req))
		if !ok {
			t.Fatalf("no request: %q", req)
		}
		texts := make([]string, len(args))
		for i, a := range args {
			texts[i] = string(a)
		}
		c.send(request(texts...))
		got := flat(c.answer())
		if want != "?" && got != want {
			t.Errorf("%s\n got %q\nwant %q", req, got, want)
		}
	}
}

const stringSteps = `
GET k => $-1
SET k v => +OK
GET k => $1 v
SET k w NX => $-1
SET k w XX GET => $1 v
SET k x IFEQ w => +OK
SET k y IFEQ w => $-1
SET k y GET => $1 x
SET new 1 NX GET => $-1
SET k z EX 100 => +OK
TTL k => :100
SET k z KEEPTTL => +OK
TTL k => :100
SET k z2 KEEPTTL GET => $1 z
TTL k => :100
SET k z => +OK
TTL k => :-1
SET k z PX 100000 GET => $1 z
TTL k => :100
SET k z EXAT 0 => -ERR invalid expire time in 'set' command
SET k z NX PXAT 1 => $-1
SET k y IFEQ q PXAT 1 => $-1
SET k y XX GET PXAT 1 => $1 z
GET k => $-1
SET k z => +OK
SET k z IFEQ z PXAT 1 => +OK
GET k => $-1
SET k z => +OK
SET k z EX 0 => -ERR invalid expire time in 'set' command
SET k z EX x => -ERR value is not an integer or out of range
SET k z NX XX => -ERR syntax error
SET k z EX 9223372036854775807 => -ERR invalid expire time in 'set' command
SETNX k q => :0
SETNX fresh q => :1
SETEX k 10 v => +OK
TTL k => :10
PSETEX k 10000 v => +OK
TTL k => :10
GETSET k w => $1 v
TTL k => :-1
GETEX k EX 50 => $1 w
TTL k => :50
GETEX k PERSIST => $1 w
TTL k => :-1
GETDEL k => $1 w
GETDEL k => $-1
MSET a 1 b 2 => +OK
MGET a none b => *3 $1 1 $-1 $1 2
MSETNX b 3 c 4 => :0
MSETNX c 4 d 5 => :1
MGET c d => *2 $1 4 $1 5
MSET a => -ERR wrong number of arguments for 'mset' command
INCR n => :1
INCRBY n 10 => :11
DECR n => :10
DECRBY n 3 => :7
EXPIRE n 100 => :1
INCR n => :8
TTL n => :100
SET n 9223372036854775807 => +OK
INCR n => -ERR increment or decrement would overflow
DECRBY n 9223372036854775807 => :0
DECRBY n 9223372036854775807 => :-9223372036854775807
DECR n => :-9223372036854775808
DECR n => -ERR increment or decrement would overflow
SET n 1.5 => +OK
INCR n => -ERR value is not an integer or out of range
SET n abc => +OK
INCR n => -ERR value is not an integer or out of range
GET n => $3 abc
INCRBYFLOAT n 1 => -ERR value is not a valid float
INCRBYFLOAT f 1.5 => $3 1.5
INCRBYFLOAT f 1.5 => $1 3
APPEND s "h\xc3\xa9" => :3
APPEND s llo => :6
STRLEN s => :6
STRLEN none => :0
GETRANGE s 0 0 => $1 h
GETRANGE s -3 -1 => $3 llo
GETRANGE s 5 2 => $0 
GETRANGE s 0 100 => $6 hé` + "llo" + `
`

const keySteps = `
MSET a 1 b 2 c 3 => +OK
EXISTS a b none a => :3
EXISTS a => :1
DEL none => :0
DEL a none b => :2
UNLINK c => :1
SET k v => +OK
EXPIRE none 10 => :0
EXPIRE k 100 => :1
EXPIRE k 50 GT => :0
EXPIRE k 200 GT => :1
EXPIRE k 200 NX => :0
EXPIRE k 50 LT => :1
TTL k => :50
EXPIRE k 60 XX => :1
EXPIRE k 50 NX GT => -ERR NX and XX, GT or LT options at the same time are not compatible
EXPIRE k 50 LT GT => -ERR GT and LT options at the same time are not compatible
EXPIRE k 50 SOON => -ERR Unsupported option SOON
EXPIRE k 70 XX GT => :1
EXPIRE k 60 XX LT => :1
PEXPIRE k 9223372036854775807 => -ERR invalid expire time in 'pexpire' command
PERSIST k => :1
PERSIST k => :0
EXPIRE k 60 XX LT => :0
EXPIRE k 10 XX => :0
EXPIRE k 10 NX => :1
PEXPIREAT k 1 => :1
GET k => $-1
TTL k => :-2
SET k v => +OK
EXPIREAT k 4102444800 => :1
EXPIRETIME k => :4102444800
PEXPIRETIME k => :4102444800000
PTTL none => :-2
TYPE k => +string
TYPE none => +none
RENAME k k2 => +OK
EXPIRETIME k2 => ?
RENAME k k2 => -ERR no such key
SET other 1 => +OK
COPY k2 other => :0
COPY k2 k2 => -ERR source and destination objects are the same
COPY k2 other DB 7 => -ERR DB index is out of range: 0 is the persistent space, 1 the ephemeral one
COPY k2 other REPLACE => :1
GET other => $1 v
RENAMENX k2 other => :0
FLUSHDB NOW => -ERR syntax error
FLUSHDB ASYNC => +OK
DBSIZE => :0
RANDOMKEY => $-1
SET one/key 1 => +OK
RANDOMKEY => $7 one/key
DEL one/key => :1
MSET u/1 a u/2 b v/1 c => +OK
KEYS u/* => *2 $3 u/1 $3 u/2
KEYS ?/[0-1] => *2 $3 u/1 $3 v/1
KEYS * => *3 $3 u/1 $3 u/2 $3 v/1
DBSIZE => :3
SCAN 0 MATCH u/* COUNT 100 => *2 $1 0 *2 $3 u/1 $3 u/2
SCAN 77 => -ERR the cursor is unknown, or too old; begin again with 0
SET "" v => -BAD_KEY a key must not be empty
SET "a\x00" v => -BAD_KEY a key must not contain the byte 0; encode it, in hexadecimal digits or base64
GET "\xff" => -BAD_KEY a key must be UTF-8; encode other bytes, in hexadecimal digits or base64
SET bytes "\xff\x00" => +OK
STRLEN bytes => :2
`

func TestCommands(t *testing.T) {
	for _, space := range []string{"0", "1"} {
		_, addr := serve(t, Options{})
		t.Run("strings "+space, func(t *testing.T) {
			c := dial(t, addr)
			steps(t, c, "SELECT "+space+" => +OK\nFLUSHDB => +OK\n"+strings.TrimSpace(stringSteps))
		})
		t.Run("keys "+space, func(t *testing.T) {
			c := dial(t, addr)
			steps(t, c, "SELECT "+space+" => +OK\nFLUSHDB => +OK\n"+strings.TrimSpace(keySteps))
		})
	}
}

func TestConnectionCommands(t *testing.T) {
	_, addr := serve(t, Options{})
	steps(t, dial(t, addr), `
PING => +PONG
ping hi => $2 hi
ECHO hi => $2 hi
CLIENT GETNAME => $-1
CLIENT SETNAME me => +OK
CLIENT GETNAME => $2 me
CLIENT SETNAME "a b" => -ERR Client names cannot contain spaces, newlines or special characters
CLIENT SETINFO lib-name x => +OK
CLIENT INFO => ?
SELECT 2 => -ERR DB index is out of range: 0 is the persistent space, 1 the ephemeral one
SELECT 1 => +OK
SET k ephemeral => +OK
EVAL "return [(eget k), (get k)]" 0 => *2 $9 ephemeral $-1
SELECT 0 => +OK
GET k => $-1
TIME => ?
WAIT 0 0 => :0
INFO => ?
COMMAND COUNT => ?
COMMAND => ?
COMMAND INFO get nosuch => *2 *6 $3 get :2 *1 +readonly :1 :1 :1 $-1
COMMAND DOCS => *0
CONFIG GET appendonly => *2 $10 appendonly $3 yes
CONFIG GET slowlog* => *4 $23 slowlog-log-slower-than $5 10000 $15 slowlog-max-len $3 128
CONFIG SET a b => -ERR the server is configured by its flags: kahuna-server --help
AUTH x => -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
AUTH default x => +OK
AUTH me x => -WRONGPASS invalid username-password pair or user is disabled
AUTH default x y => -ERR syntax error
HELLO x => -ERR Protocol version is not an integer or out of range
HELLO 2 AUTH me x => -WRONGPASS invalid username-password pair or user is disabled
HELLO 2 AUTH default => -ERR Syntax error in HELLO option 'AUTH'
HELLO 2 SETNAME "a b" => -ERR Client names cannot contain spaces, newlines or special characters
HELLO 2 AUTH default x SETNAME them => ?
CLIENT GETNAME => $4 them
WAIT 0 x => -ERR timeout is not an integer or out of range
WAIT 0 -1 => -ERR timeout is negative
CLIENT NO-EVICT on => +OK
CLIENT NO-EVICT maybe => -ERR syntax error
CLIENT SETINFO lib-name "a b" => -ERR lib-name cannot contain spaces, newlines or special characters
CLIENT NOSUCH => ?
SCRIPT FLUSH SOON => -ERR SCRIPT FLUSH only support SYNC|ASYNC option
SCRIPT KILL => -NOTBUSY No script blocks the others. One ends by its own time-out
SLOWLOG LEN => :0
SLOWLOG GET x => -ERR count should be greater than or equal to -1
GET => -ERR wrong number of arguments for 'get' command
HGET a b => -ERR there is no HGET here: use a key for each field, 'hash/field', and a script with get by bucket; or one value with to_json and from_json
FUNCTION LOAD x => -ERR there is no FUNCTION here: send the script: EVAL once, then EVALSHA; scripts take names with KAHUNA.RUN source name value
HELLO 4 => -NOPROTO unsupported protocol version
HELLO 3 SETNAME you => ?
GET k => _
RESET => +RESET
GET k => $-1
QUIT => +OK
`)
}

func TestScripts(t *testing.T) {
	_, addr := serve(t, Options{})
	sum := sha([]byte("return [@key1, @arg1, @arg2, @1, @2, @3]"))
	steps(t, dial(t, addr), `
EVALSHA `+sum+` 0 => -NOSCRIPT No matching script. Please use EVAL
SCRIPT LOAD "return [@key1, @arg1, @arg2, @1, @2, @3]" => $40 `+sum+`
SCRIPT EXISTS `+sum+` x => *2 :1 :0
EVALSHA `+strings.ToUpper(sum)+` 1 k a b => *6 $1 k $1 a $1 b $1 k $1 a $1 b
EVALSHA `+sum+` 1 k a => -MISSING_PARAMETER missing parameter '@arg2' (line 1, column 23)
EVALSHA `+sum+` 3 k a => -ERR Number of keys can't be greater than number of args
EVALSHA `+sum+` -1 => -ERR Number of keys can't be negative
SCRIPT FLUSH => +OK
EVALSHA `+sum+` 1 k a b => -NOSCRIPT No matching script. Please use EVAL
EVAL "return 42" 0 => :42
EVAL "return 1.5" 0 => $3 1.5
EVAL "return true" 0 => $4 true
EVAL "return null" 0 => $-1
EVAL "return" 0 => ?
EVAL "set k 1" 0 => +OK
EVAL "set k 1 nx" 0 => $-1
EVAL "exists k" 0 => :1
EVAL "delete k" 0 => :1
EVAL "delete k" 0 => :0
EVAL "get k" 0 => $-1
EVAL "return [1, 'a', null, [2, true], {a: 1}]" 0 => *5 :1 $1 a $-1 *2 :2 $4 true $7 {"a":1}
EVAL "set `+"`b/1`"+` 1 set `+"`b/2`"+` 2 get by bucket b" 0 => *2 *2 $3 b/1 $1 1 *2 $3 b/2 $1 2
EVAL "throw 'sold out'" 0 => -THROW sold out (line 1, column 1)
EVAL "throw 'sold out', 'SOLDOUT'" 0 => -SOLDOUT sold out (line 1, column 1)
EVAL "throw 'sold out', 'two words'" 0 => -THROW sold out (code two words) (line 1, column 1)
EVAL_RO "return 1" 0 => :1
EVAL_RO "set k 1" 0 => ?
GET k => $-1
KAHUNA.RUN "return [@a, @b]" a 1 b 2 => *2 $1 1 $1 2
KAHUNA.RUN "return 1" a => ?
EVAL "local x = 1" 0 => -SYNTAX this is Lua, but EVAL takes Kahuna Script; the first difference is 'local x': variables are assigned by let: let n = 1; see docs/redis.md (line 1, column 1)
HELLO 3 => ?
EVAL "return [1.5, true, null, {a: {b: 1}}]" 0 => *4 ,1.5 #t _ %1 $1 a %1 $1 b :1
`)
}

func TestTransactions(t *testing.T) {
	_, addr := serve(t, Options{})
	c, other := dial(t, addr), dial(t, addr)
	steps(t, c, `
EXEC => -ERR EXEC without MULTI
MULTI => +OK
MULTI => -ERR MULTI calls can not be nested
SET a 1 => +QUEUED
INCR a => +QUEUED
GET a => +QUEUED
EVAL "return get a" 0 => +QUEUED
PING => +QUEUED
EXEC => *5 +OK :2 $1 2 $1 2 +PONG
MULTI => +OK
SET a 7 => +QUEUED
SET b text => +QUEUED
INCR b => +QUEUED
EXEC => -EXECABORT Transaction undone as a whole: command 3 (INCR) failed: ERR value is not an integer or out of range
MGET a b => *2 $1 2 $-1
MULTI => +OK
WATCH a => -ERR WATCH inside MULTI is not allowed
EXEC => *0
MULTI => +OK
EVAL_RO "set k 1" 0 => -ERR EVAL_RO is not allowed between MULTI and EXEC
DISCARD => +OK
MULTI => +OK
NOSUCH => ?
SET a 8 => +QUEUED
EXEC => -EXECABORT Transaction discarded because of previous errors.
MULTI => +OK
SET a 8 => +QUEUED
DISCARD => +OK
GET a => $1 2
WATCH a none => +OK
MULTI => +OK
SET a 9 => +QUEUED
EXEC => *1 +OK
WATCH none => +OK
`)
	steps(t, other, "SET none 1 => +OK")
	steps(t, c, `
MULTI => +OK
SET a 10 => +QUEUED
EXEC => *-1
GET a => $1 9
WATCH a => +OK
`)
	steps(t, other, "SET a 9 => +OK")
	steps(t, c, `
UNWATCH => +OK
MULTI => +OK
SET a 10 => +QUEUED
EXEC => *1 +OK
MULTI => +OK
KEYS * => -ERR KEYS is not allowed between MULTI and EXEC
EXEC => -EXECABORT Transaction discarded because of previous errors.
`)
}

// TestLua: a script in Lua is told from one with a mistake.
func TestLua(t *testing.T) {
	_, addr := serve(t, Options{})
	c := dial(t, addr)
	for source, want := range map[string]string{
		"return redis.call('GET', KEYS[1])":               "'redis.call'",
		"-- limit\nlocal n = tonumber(ARGV[1])\nreturn n": "'--'",
		"if x ~= nil then return 1 end":                   "'~='",
		"return ARGV[1]":                                  "'ARGV['",
		"return cjson.encode({1})":                        "'cjson.'",
	} {
		c.send(request("EVAL", source, "0"))
		if got := c.answer(); !strings.Contains(got, "this is Lua") || !strings.Contains(got, "the first difference is "+want) {
			t.Errorf("%q: %q", source, got)
		}
	}
	c.send(request("EVAL", "return stok", "0"))
	if got := c.answer(); strings.Contains(got, "Lua") {
		t.Errorf("a mistake: %q", got)
	}
}

// TestScriptParams: scripts that run later than the next one is started keep their
// parameters: those of a transaction, those that may not write, and those with
// many.
func TestScriptParams(t *testing.T) {
	_, addr := serve(t, Options{})
	c := dial(t, addr)
	steps(t, c, `
MULTI => +OK
EVAL "return @arg1" 0 first => +QUEUED
EVAL "return @arg1" 0 second => +QUEUED
EXEC => *2 $5 first $6 second
`)
	var all strings.Builder
	for i := range 20 {
		all.WriteString(request("EVAL_RO", "return @arg1", "0", fmt.Sprint("read ", i)))
		all.WriteString(request("EVAL", "return @arg1", "0", fmt.Sprint("run ", i)))
	}
	c.send(all.String())
	for i := range 20 {
		for _, kind := range []string{"read", "run"} {
			if got, want := flat(c.answer()), fmt.Sprintf("$%d %s %d", len(kind)+1+len(fmt.Sprint(i)), kind, i); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	source, args := "return [@arg1", []string{"EVAL", "", "0", "a"}
	for i := range sharedMost {
		source += fmt.Sprint(", @arg", i+2)
		args = append(args, "a")
	}
	args[1] = source + "]"
	c.send(request(args...))
	if got := flat(c.answer()); got != "*17"+strings.Repeat(" $1 a", sharedMost+1) {
		t.Errorf("many parameters: %q", got)
	}
}

// TestScriptsBounded: the scripts not used for the longest time are forgotten.
func TestScriptsBounded(t *testing.T) {
	db := openStore(t)
	s := newScripts(2, 1<<20)
	var names []string
	for _, source := range []string{"return 1", "return 2", "return 3"} {
		script, err := s.load(db, []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, script.sha)
	}
	for i, known := range []bool{false, true, true} {
		if got := s.get([]byte(names[i])) != nil; got != known {
			t.Errorf("script %d: %v", i, got)
		}
	}
	s = newScripts(100, 10)
	_, _ = s.load(db, []byte("return 1"))
	_, _ = s.load(db, []byte("return 2"))
	if n := s.recent.Len(); n != 1 {
		t.Errorf("%d scripts of 8 bytes in 10", n)
	}
}
