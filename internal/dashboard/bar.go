package dashboard

// bar is a line made of parts in proportion. It is an image: the policy that keeps
// foreign styles out of the page keeps our own out of its elements too.
type bar struct {
	Label string
	Total int
	Parts []barPart
}

type barPart struct {
	X, Width int
	Class    string
}

type part struct {
	n     int
	class string
}

// newBar leaves out parts that are empty; a bar without any has no total.
func newBar(label string, parts ...part) bar {
	b := bar{Label: label}
	for _, p := range parts {
		if p.n > 0 {
			b.Parts = append(b.Parts, barPart{X: b.Total, Width: p.n, Class: p.class})
			b.Total += p.n
		}
	}
	return b
}
