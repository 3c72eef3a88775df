package output

// Node is a node of a tree to be printed.
type Node struct {
	text  string
	look  Look
	nodes []*Node
}

// Look is how a text looks on a terminal: an escape sequence of ECMA-48.
type Look string

// The looks of a node.
const (
	LookPlain Look = ""
	LookKind  Look = "\x1b[93m" // what kind of thing something is
	LookName  Look = "\x1b[32m" // what it is called
	LookNote  Look = "\x1b[90m" // what is said about it

	lookAsBefore = "\x1b[0m"
)

// NewNode makes a node, the root of a tree.
func NewNode(text string, look Look) *Node { return &Node{text: text, look: look} }

// Add adds a node below t.
func (t *Node) Add(text string, look Look) *Node {
	node := NewNode(text, look)
	t.nodes = append(t.nodes, node)
	return node
}

// Print writes the tree below t, a line for each node; in colours only if they are
// wanted.
func (t *Node) Print(p *Printer, colours bool) { t.print(p, colours, "", "") }

// print writes t behind lead, and what is below it behind indent.
func (t *Node) print(p *Printer, colours bool, lead, indent string) {
	text := Escape(t.text)
	if colours && t.look != LookPlain {
		text = string(t.look) + text + lookAsBefore
	}
	p.escaped(lead + text)
	for i, node := range t.nodes {
		if i < len(t.nodes)-1 {
			node.print(p, colours, indent+"├── ", indent+"│   ")
		} else {
			node.print(p, colours, indent+"└── ", indent+"    ")
		}
	}
}
