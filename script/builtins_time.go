package script

import (
	"fmt"
	"strings"
	"time"
)

// callFormatTime writes a time as strftime does.
func callFormatTime(e *callEnv, args []Value) (Value, *Error) {
	ms, err := whole(args[0], "format_time() time")
	if err != nil {
		return Null, err
	}
	format, err := stringArg("format_time", args[1])
	if err != nil {
		return Null, err
	}
	zone := time.UTC
	if len(args) == 3 {
		offset, err := stringArg("format_time", args[2])
		if err != nil {
			return Null, err
		}
		if zone, err = fixedZone(offset); err != nil {
			return Null, err
		}
	}
	// Beyond these times a year is none of 1 to 9999 in any zone.
	const least, most = -62_135_683_200_000, 253_402_387_200_000
	t := time.UnixMilli(min(max(ms, least), most)).In(zone)
	if y := t.Year(); y < 1 || y > 9999 {
		return Null, errf(CodeRange, "format_time() needs a time in the years 1 to 9999, got %d ms", ms)
	}
	const partMax = 12 // bytes that a directive of two comes to
	e.meter.read(len(format))
	if err := e.meter.makeString(int64(len(format) + strings.Count(format, "%")*(partMax-2))); err != nil {
		return Null, err
	}
	var b strings.Builder
	for {
		text, rest, more := strings.Cut(format, "%")
		if err := e.meter.write(&b, text); err != nil {
			return Null, err
		}
		if !more {
			return String(b.String()), nil
		}
		if rest == "" || !writeTime(&b, t, ms, rest[0]) {
			return Null, errf(CodeRange, "format_time() does not know %s", quote("%"+firstChar(rest))).
				hinted("it knows %Y %m %d %H %M %S %L %j %V %G %u %s %%")
		}
		format = rest[1:]
	}
}

// firstChar returns the first character of s.
func firstChar(s string) string {
	n, _ := charOffset(s, 1)
	return s[:n]
}

// writeTime writes the part of t that a directive asks for, and reports whether
// there is one.
func writeTime(b *strings.Builder, t time.Time, ms int64, directive byte) bool {
	switch directive {
	case 'Y':
		fmt.Fprintf(b, "%04d", t.Year())
	case 'm':
		fmt.Fprintf(b, "%02d", int(t.Month()))
	case 'd':
		fmt.Fprintf(b, "%02d", t.Day())
	case 'H':
		fmt.Fprintf(b, "%02d", t.Hour())
	case 'M':
		fmt.Fprintf(b, "%02d", t.Minute())
	case 'S':
		fmt.Fprintf(b, "%02d", t.Second())
	case 'L':
		fmt.Fprintf(b, "%03d", t.Nanosecond()/int(time.Millisecond))
	case 'j':
		fmt.Fprintf(b, "%03d", t.YearDay())
	case 'V', 'G':
		year, week := t.ISOWeek()
		if directive == 'V' {
			fmt.Fprintf(b, "%02d", week)
		} else {
			fmt.Fprintf(b, "%04d", year)
		}
	case 'u':
		fmt.Fprintf(b, "%d", (int(t.Weekday())+6)%7+1)
	case 's':
		fmt.Fprintf(b, "%d", t.Unix())
	case '%':
		b.WriteByte('%')
	default:
		return false
	}
	return true
}

// fixedZone returns the time zone that an offset such as +02:00 stands for.
func fixedZone(offset string) (*time.Location, *Error) {
	t, err := time.Parse("-07:00", offset)
	if err != nil || len(offset) != len("+02:00") {
		return nil, errf(CodeRange, "format_time() offset must be like +02:00, got %s", quote(offset))
	}
	_, seconds := t.Zone()
	return time.FixedZone("", seconds), nil
}
