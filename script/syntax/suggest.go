package syntax

import "unicode"

// suggestMax is the length in characters up to which words are compared.
const suggestMax = 48

// Suggest returns the candidate that word is most likely a misspelling of, or
// "" when none is close. Letter case does not count as a difference, an
// inserted, missing, wrong or swapped letter as one; two-letter words may
// differ in case or order only, longer ones by about a third of their letters,
// at most three. Of equally close candidates the first is taken. A candidate
// equal to word is no suggestion.
func Suggest(word string, candidates []string) string {
	if len(word) > 4*suggestMax {
		return ""
	}
	w := fold(word)
	if len(w) == 0 || len(w) > suggestMax {
		return ""
	}
	best, bestAt := suggestLimit(len(w))+1, ""
	for _, c := range candidates {
		if c == word || len(c) > 4*suggestMax {
			continue
		}
		if d := distance(w, fold(c), best); d < best {
			best, bestAt = d, c
		}
	}
	return bestAt
}

// suggestLimit is how many differences a word of n letters may have.
func suggestLimit(n int) int {
	switch {
	case n < 2:
		return 0
	case n < 5:
		return 1
	case n < 9:
		return 2
	}
	return 3
}

func fold(s string) []rune {
	r := []rune(s)
	for i := range r {
		r[i] = unicode.ToLower(r[i])
	}
	return r
}

// distance returns the number of edits between a and b (Damerau-Levenshtein,
// no part edited twice), or some number of at least bound.
func distance(a, b []rune, bound int) int {
	if len(b) > suggestMax || len(a)-len(b) >= bound || len(b)-len(a) >= bound {
		return bound
	}
	// A word of two letters has too many neighbours at distance one.
	if len(a) == 2 && !(len(b) == 2 && a[0] == b[1] && a[1] == b[0] || string(a) == string(b)) {
		return bound
	}
	// row[0] is the present row, row[1] and row[2] the two before.
	var row [3][suggestMax + 1]int
	for j := 0; j <= len(b); j++ {
		row[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[2], row[1] = row[1], row[0]
		row[0][0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			d := row[1][j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			d = min(d, row[1][j]+1, row[0][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, row[2][j-2]+1)
			}
			row[0][j] = d
			least = min(least, d)
		}
		if least >= bound {
			return bound
		}
	}
	return row[0][len(b)]
}
