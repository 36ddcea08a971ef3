package onnx

// Limits of what a file may hold. Each is far above what real models have and
// keeps the memory of a hostile file within a small multiple of its size.
const (
	maxDepth    = 8       // graphs within attributes within graphs
	maxNodes    = 1 << 16 // nodes of all graphs
	maxElements = 1 << 20 // numbers in attributes, names, values, dimensions
	maxOpset    = 64      // no operator set is newer for years to come
)

// model is a ModelProto. Bytes of tensors are slices of the file.
type model struct {
	irVersion int64
	producer  string
	graph     *graphProto
	opset     map[string]int64 // by domain
	functions []*function
	metadata  map[string]string
}

// graphProto is a GraphProto.
type graphProto struct {
	name         string
	nodes        []*node
	initializers []*tensorProto
	inputs       []valueInfo
	outputs      []valueInfo
	sparse       int // sparse initialisers, which are not supported
}

// node is a NodeProto.
type node struct {
	name, op, domain string
	inputs, outputs  []string
	attrs            []attribute
}

// function is a FunctionProto: a node type that the file itself defines.
type function struct {
	name, domain    string
	inputs, outputs []string
	nodes           []*node
	attrs           []string    // required attributes
	defaults        []attribute // attributes with a default
	opset           map[string]int64
}

// attribute is an AttributeProto.
type attribute struct {
	name   string
	kind   int64 // AttributeProto.AttributeType
	f      float32
	i      int64
	s      []byte
	t      *tensorProto
	g      *graphProto
	floats []float32
	ints   []int64
	strs   []string
	ref    string // the function attribute it stands for
}

// The types of attributes that are read.
const (
	attrFloat   = 1
	attrInt     = 2
	attrString  = 3
	attrTensor  = 4
	attrGraph   = 5
	attrFloats  = 6
	attrInts    = 7
	attrStrings = 8
)

// valueInfo is a ValueInfoProto of a tensor.
type valueInfo struct {
	name  string
	dtype int32
	dims  []dim
	// shaped says that the file gave a shape, which may have no dimensions.
	shaped bool
	other  bool // a sequence, map or optional
}

// dim is one dimension: a number, a name, or (both empty) unknown.
type dim struct {
	size  int64
	param string
	known bool
}
