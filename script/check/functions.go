package check

import "slices"

// FuncID identifies a built-in function. It indexes the table of
// implementations in package script.
type FuncID uint8

// The built-in functions (docs/language.md, "Functions"), and their number.
const (
	FuncIsNull FuncID = iota
	FuncIsBool
	FuncIsInt
	FuncIsFloat
	FuncIsStr
	FuncIsArray
	FuncIsMap
	FuncTypeOf
	FuncCoalesce
	FuncToInt
	FuncToFloat
	FuncToBool
	FuncToStr
	FuncAbs
	FuncFloor
	FuncCeil
	FuncRound
	FuncMin
	FuncMax
	FuncPow
	FuncMod
	FuncNearlyEquals
	FuncLen
	FuncUpper
	FuncLower
	FuncConcat
	FuncToJSON
	FuncTrim
	FuncSubstring
	FuncIndexOf
	FuncStartsWith
	FuncEndsWith
	FuncContains
	FuncReplace
	FuncRepeat
	FuncSplit
	FuncJoin
	FuncCount
	FuncKeys
	FuncValues
	FuncHas
	FuncPut
	FuncRemove
	FuncMerge
	FuncAppend
	FuncInsert
	FuncSlice
	FuncFirst
	FuncLast
	FuncReverse
	FuncSort
	FuncSortText
	FuncUnique
	FuncSum
	FuncConcatArrays
	FuncFromJSON
	FuncCompare
	FuncPadLeft
	FuncPadRight
	FuncMatches
	FuncCRC32
	FuncSHA256
	FuncHMACSHA256
	FuncBase64Encode
	FuncBase64Decode
	FuncHexEncode
	FuncHexDecode
	FuncFormatTime
	FuncRev
	FuncExpires
	FuncKey
	FuncCurrentTime // the first that is not pure
	FuncHLC
	FuncHLCCounter
	FuncTTL
	FuncRandom
	FuncUUID
	NumFunctions
)

// Function describes a built-in function to the checker.
type Function struct {
	Name string // the first of its names
	ID   FuncID
	// Min and Max bound the number of arguments; Max -1 means any number.
	Min, Max int
	// Pure functions depend on nothing but their arguments.
	Pure bool
}

// Accepts reports whether the function takes n arguments.
func (f Function) Accepts(n int) bool {
	return n >= f.Min && (f.Max < 0 || n <= f.Max)
}

// functions lists every function once; names are its name and its aliases,
// in lower case.
var functions = [NumFunctions]struct {
	names    []string
	min, max int
}{
	FuncIsNull:       {[]string{"is_null"}, 1, 1},
	FuncIsBool:       {[]string{"is_bool", "is_boolean"}, 1, 1},
	FuncIsInt:        {[]string{"is_int", "is_integer", "is_long"}, 1, 1},
	FuncIsFloat:      {[]string{"is_float", "is_double"}, 1, 1},
	FuncIsStr:        {[]string{"is_str", "is_string"}, 1, 1},
	FuncIsArray:      {[]string{"is_array"}, 1, 1},
	FuncIsMap:        {[]string{"is_map"}, 1, 1},
	FuncTypeOf:       {[]string{"type_of"}, 1, 1},
	FuncCoalesce:     {[]string{"coalesce"}, 2, -1},
	FuncToInt:        {[]string{"to_int", "to_integer", "to_long", "to_number"}, 1, 1},
	FuncToFloat:      {[]string{"to_float", "to_double"}, 1, 1},
	FuncToBool:       {[]string{"to_bool", "to_boolean"}, 1, 1},
	FuncToStr:        {[]string{"to_str", "to_string"}, 1, 1},
	FuncAbs:          {[]string{"abs"}, 1, 1},
	FuncFloor:        {[]string{"floor"}, 1, 1},
	FuncCeil:         {[]string{"ceil"}, 1, 1},
	FuncRound:        {[]string{"round"}, 1, 2},
	FuncMin:          {[]string{"min"}, 1, -1},
	FuncMax:          {[]string{"max"}, 1, -1},
	FuncPow:          {[]string{"pow"}, 2, 2},
	FuncMod:          {[]string{"mod"}, 2, 2},
	FuncNearlyEquals: {[]string{"nearly_equals"}, 3, 3},
	FuncLen:          {[]string{"len", "length"}, 1, 1},
	FuncUpper:        {[]string{"upper"}, 1, 1},
	FuncLower:        {[]string{"lower"}, 1, 1},
	FuncConcat:       {[]string{"concat"}, 1, -1},
	FuncToJSON:       {[]string{"to_json"}, 1, 1},
	FuncTrim:         {[]string{"trim"}, 1, 1},
	FuncSubstring:    {[]string{"substring", "substr"}, 2, 3},
	FuncIndexOf:      {[]string{"index_of"}, 2, 2},
	FuncStartsWith:   {[]string{"starts_with"}, 2, 2},
	FuncEndsWith:     {[]string{"ends_with"}, 2, 2},
	FuncContains:     {[]string{"contains"}, 2, 2},
	FuncReplace:      {[]string{"replace"}, 3, 3},
	FuncRepeat:       {[]string{"repeat"}, 2, 2},
	FuncSplit:        {[]string{"split"}, 2, 3},
	FuncJoin:         {[]string{"join"}, 2, 2},
	FuncCount:        {[]string{"count"}, 1, 1},
	FuncKeys:         {[]string{"keys"}, 1, 1},
	FuncValues:       {[]string{"values"}, 1, 1},
	FuncHas:          {[]string{"has"}, 2, 2},
	FuncPut:          {[]string{"put"}, 3, 3},
	FuncRemove:       {[]string{"remove"}, 2, 2},
	FuncMerge:        {[]string{"merge"}, 2, 2},
	FuncAppend:       {[]string{"append", "push"}, 2, -1},
	FuncInsert:       {[]string{"insert"}, 3, 3},
	FuncSlice:        {[]string{"slice"}, 2, 3},
	FuncFirst:        {[]string{"first"}, 1, 2},
	FuncLast:         {[]string{"last"}, 1, 2},
	FuncReverse:      {[]string{"reverse"}, 1, 1},
	FuncSort:         {[]string{"sort"}, 1, 2},
	FuncSortText:     {[]string{"sort_text"}, 1, 2},
	FuncUnique:       {[]string{"unique"}, 1, 1},
	FuncSum:          {[]string{"sum"}, 1, 1},
	FuncConcatArrays: {[]string{"concat_arrays"}, 1, -1},
	FuncFromJSON:     {[]string{"from_json"}, 1, 1},
	FuncCompare:      {[]string{"compare"}, 2, 2},
	FuncPadLeft:      {[]string{"pad_left"}, 3, 3},
	FuncPadRight:     {[]string{"pad_right"}, 3, 3},
	FuncMatches:      {[]string{"matches"}, 2, 2},
	FuncCRC32:        {[]string{"crc32"}, 1, 1},
	FuncSHA256:       {[]string{"sha256"}, 1, 1},
	FuncHMACSHA256:   {[]string{"hmac_sha256"}, 2, 2},
	FuncBase64Encode: {[]string{"base64_encode"}, 1, 1},
	FuncBase64Decode: {[]string{"base64_decode"}, 1, 1},
	FuncHexEncode:    {[]string{"hex_encode"}, 1, 1},
	FuncHexDecode:    {[]string{"hex_decode"}, 1, 1},
	FuncFormatTime:   {[]string{"format_time"}, 2, 3},
	FuncRev:          {[]string{"rev", "revision"}, 1, 1},
	FuncExpires:      {[]string{"expires"}, 1, 1},
	FuncKey:          {[]string{"key"}, 1, 1},
	FuncCurrentTime:  {[]string{"current_time", "now"}, 0, 0},
	FuncHLC:          {[]string{"hlc"}, 0, 0},
	FuncHLCCounter:   {[]string{"hlc_counter"}, 0, 0},
	FuncTTL:          {[]string{"ttl"}, 1, 1},
	FuncRandom:       {[]string{"random"}, 1, 1},
	FuncUUID:         {[]string{"uuid"}, 0, 0},
}

// nameMax is the length of the longest function name.
const nameMax = 13

var byName = func() map[string]Function {
	m := make(map[string]Function, 2*NumFunctions)
	for i, f := range functions {
		id := FuncID(i)
		for _, name := range f.names {
			m[name] = Function{Name: f.names[0], ID: id, Min: f.min, Max: f.max, Pure: id < FuncCurrentTime}
		}
	}
	return m
}()

// Lookup returns the function called name, in any letter case. It may be
// called concurrently and does not allocate.
func Lookup(name string) (Function, bool) {
	if f, ok := byName[name]; ok || len(name) > nameMax {
		return f, ok
	}
	var lower [nameMax]byte
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	f, ok := byName[string(lower[:len(name)])]
	return f, ok
}

// FunctionNames returns the names of all functions, aliases included, sorted.
// The caller owns the slice.
func FunctionNames() []string {
	var names []string
	for _, f := range functions {
		names = append(names, f.names...)
	}
	slices.Sort(names)
	return names
}

// Aliases returns all names of the function, the first one first.
func (id FuncID) Aliases() []string { return slices.Clone(functions[id].names) }
