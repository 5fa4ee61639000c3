package resp

import (
	"fmt"
	"strings"

	"kahuna"
)

// The scripts of commands that read, decide and write. {e} is e where they work
// on the ephemeral space, {o} where the other space is that.
var ownSources = map[string]string{
	"incr": `let v = {e}get @k
let n = to_int(v)
assert is_null(v) || compare(concat(n), v) == 0, "value is not an integer or out of range", "ERR"
if @by > 0 then
  assert n <= 9223372036854775807 - @by, "increment or decrement would overflow", "ERR"
else
  assert n >= -9223372036854775807 - 1 - @by, "increment or decrement would overflow", "ERR"
end
{e}set @k n + @by keepttl
return n + @by`,
	"incrfloat": `let n = to_float({e}get @k) + to_float(@by)
{e}set @k n keepttl
return concat(n)`,
	"append": `let s = concat({e}get @k, @v)
{e}set @k s keepttl
return s`,
	"getset": `let old = {e}get @k
{e}set @k @v
return old`,
	"setget": `let old = {e}get @k
if @mode == "nx" then
  {e}set @k @v nx ex @ttl
elif @mode == "xx" then
  {e}set @k @v xx ex @ttl
elif @mode == "keepttl" then
  {e}set @k @v keepttl
elif @mode == "xx keepttl" then
  {e}set @k @v xx keepttl
else
  {e}set @k @v ex @ttl
end
return old`,
	"setgone": `let old = {e}get @k
let holds = (!@nx || is_null(old)) && (!@xx || !is_null(old)) && (!@ifeq || !is_null(old) && compare(old, @equals) == 0)
if holds then {e}delete @k end
if @get then return old end
if holds then return true end
return null`,
	"getdel": `let old = {e}get @k
{e}delete @k
return old`,
	"getex": `let v = {e}get @k
if @gone then
  {e}delete @k
else
  {e}extend @k @ttl
end
return v`,
	"mget": `let out = []
for k in @keys do
  let out = append(out, {e}get (k))
end
return out`,
	"mset": `let i = 0
for k in @keys do
  {e}set (k) @values[i]
  let i = i + 1
end
return 1`,
	"msetnx": `for k in @keys do
  if {e}exists (k) then return 0 end
end
let i = 0
for k in @keys do
  {e}set (k) @values[i]
  let i = i + 1
end
return 1`,
	"del": `let n = 0
for k in @keys do
  let gone = {e}delete (k)
  if gone then let n = n + 1 end
end
return n`,
	"exists": `let n = 0
for k in @keys do
  if {e}exists (k) then let n = n + 1 end
end
return n`,
	"expire": `let v = {e}get @k
if is_null(v) then return 0 end
let old = expires(v)
let end_at = now() + @ttl
if @mode == "nx" && old != 0 then return 0 end
if @mode == "xx" && old == 0 then return 0 end
if @mode == "gt" && (old == 0 || end_at <= old) then return 0 end
if @mode == "xx lt" && old == 0 then return 0 end
if (@mode == "lt" || @mode == "xx lt") && old != 0 && end_at >= old then return 0 end
if @ttl <= 0 then
  {e}delete @k
else
  {e}extend @k @ttl
end
return 1`,
	"persist": `let v = {e}get @k
if is_null(v) || expires(v) == 0 then return 0 end
{e}extend @k 0
return 1`,
	"copy": `let v = {e}get @from
if is_null(v) || (!@replace && {e}exists @to) then return 0 end
{e}set @to v ex ttl(v) ?? 0
return 1`,
	"copy over": `let v = {e}get @from
if is_null(v) || (!@replace && {o}exists @to) then return 0 end
{o}set @to v ex ttl(v) ?? 0
return 1`,
	"rename": `let v = {e}get @from
assert !is_null(v), "no such key", "ERR"
if @nx && {e}exists @to then return 0 end
{e}delete @from
{e}set @to v ex ttl(v) ?? 0
return 1`,
}

// ownPrograms are the compiled scripts of commands, for each space.
type ownPrograms struct {
	programs map[string][2]kahuna.Program
}

func newOwnPrograms(db *kahuna.DB) (*ownPrograms, error) {
	own := &ownPrograms{programs: map[string][2]kahuna.Program{}}
	for name, source := range ownSources {
		var pair [2]kahuna.Program
		for i, e := range []string{"", "e"} {
			o := []string{"e", ""}[i]
			p, err := db.Compile(strings.NewReplacer("{e}", e, "{o}", o).Replace(source))
			if err != nil {
				return nil, fmt.Errorf("the script of the Redis command %s: %w", name, err) // limits are small
			}
			pair[i] = p
		}
		own.programs[name] = pair
	}
	return own, nil
}

// scripted is an op that runs one of the scripts.
func (c *conn) scripted(name string, params kahuna.Params, reply func(*writer, *answer)) op {
	return op{kind: opRun, program: c.server.own.programs[name][c.space], params: params, reply: reply}
}
