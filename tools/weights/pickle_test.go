package weights

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPickle: each operation, in the least pickle that has it.
func TestPickle(t *testing.T) {
	storage := tuple{"storage", global("torch.FloatStorage"), "0"}
	for text, want := range map[string]any{
		"N.": nil, "\x88.": true, "\x89.": false,
		"K\x07.": int64(7), "M\x01\x02.": int64(513), "J\xfe\xff\xff\xff.": int64(-2),
		"\x8a\x00.": int64(0), "\x8a\x01\xff.": int64(-1), "\x8a\x02\xff\x00.": int64(255), "\x8a\x02\x00\x80.": int64(-32768),
		"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.": int64(-1 << 63), "\x8a\x09123456789.": opaque{},
		"G\x3f\xf8\x00\x00\x00\x00\x00\x00.": 1.5,
		"X\x02\x00\x00\x00ab.":               "ab", "\x8c\x01a.": "a", "\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.": "a",
		"B\x01\x00\x00\x00a.": "a", "C\x01a.": "a", "T\x01\x00\x00\x00a.": "a", "U\x01a.": "a",
		"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00K\x01.": int64(1),
		").": tuple{}, "K\x01\x85.": tuple{int64(1)}, "K\x01K\x02\x86.": tuple{int64(1), int64(2)},
		"K\x01K\x02K\x03\x87.": tuple{int64(1), int64(2), int64(3)}, "(K\x01K\x02t.": tuple{int64(1), int64(2)},
		"].": &list{}, "]K\x01a.": &list{[]any{int64(1)}}, "](K\x01K\x02e.": &list{[]any{int64(1), int64(2)}},
		"}.": &dict{}, "}K\x01K\x02s.": &dict{[]any{int64(1)}, []any{int64(2)}}, "}(K\x01K\x02u.": &dict{[]any{int64(1)}, []any{int64(2)}},
		"K\x01K\x020.": int64(1), "K\x01(K\x02K\x031.": int64(1),
		"K\x01q\x05K\x02h\x05.": int64(1), "K\x01r\x05\x00\x00\x00K\x02j\x05\x00\x00\x00.": int64(1), "K\x01\x94K\x02\x94h\x00.": int64(1),
		"ca\nb\n.": global("a.b"), "\x8c\x01a\x8c\x01b\x93.": global("a.b"),
		"ccollections\nOrderedDict\n)R.": &dict{}, "cos\nsystem\nU\x02ls\x85R.": opaque{}, "cos\nsystem\n)\x81}b.": opaque{},
		"ctorch\nSize\n(K\x02K\x03t\x85R.":                                                           tuple{int64(2), int64(3)},
		"ctorch._utils\n_rebuild_parameter\n(K\x07\x88)tR.":                                          int64(7),
		"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x04tQ.":                                  reference{f32, "0"},
		"ctorch._utils\n_rebuild_tensor_v2\n(" + quote(storage) + "QK\x01K\x02\x85K\x01\x85\x89)tR.": &tensorValue{reference{f32, "0"}, 1, []int{2}, []int{1}},
	} {
		got, n, err := unpickle([]byte(text+"rest"), map[string]kind{})
		require.NoError(t, err, "%q", text)
		require.Equal(t, want, got, "%q", text)
		require.Equal(t, len(text), n, "%q", text)
	}
}

// quote is the pickle of a tuple of texts and names.
func quote(v tuple) string {
	s := "("
	for _, x := range v {
		switch x := x.(type) {
		case string:
			s += "U" + string(rune(len(x))) + x
		case global:
			module, name, _ := strings.Cut(string(x), ".")
			s += "c" + module + "\n" + name + "\n"
		}
	}
	return s + "t"
}

// TestBadPickle: what is wrong is said.
func TestBadPickle(t *testing.T) {
	tensor := "ctorch._utils\n_rebuild_tensor_v2\n("
	of := quote(tuple{"storage", global("torch.FloatStorage"), "0"}) + "Q"
	for text, want := range map[string]string{
		"":                            "ends within",
		"K":                           "ends within",
		".":                           "takes more than there is",
		"0.":                          "takes more",
		"t.":                          "no mark",
		"h\x01.":                      "noted as 1",
		"ca":                          "without an end",
		"ca\nb":                       "without an end",
		"K\x01U\x01a\x93.":            "no text",
		"U\x01aK\x01\x93.":            "no text",
		"X\xff\xff\xff\xff":           "a length of",
		"}(K\x01u.":                   "without a value",
		"\x42":                        "ends within",
		"i.":                          "operation 0x69",
		"K\x01Q.":                     "no storage",
		"(U\x07storageK\x01U\x010tQ.": "a storage of 1",
		quote(tuple{"storage", global("torch.ComplexStorage"), "0"}) + "Q.": "a storage of torch.ComplexStorage",
		tensor + "K\x01K\x00))tR.":                             "a tensor of no storage",
		tensor + of + "K\x00K\x01\x85)tR.":                     "a tensor of no storage", // a dimension without a stride
		tensor + of + "J\xff\xff\xff\xff))tR.":                 "a tensor of no storage",
		tensor + of + "K\x00J\xff\xff\xff\xff\x85K\x01\x85tR.": "a tensor of no storage",
		tensor + of + "K\x00U\x01a\x85K\x01\x85tR.":            "a tensor of no storage",
		tensor + of + "U\x01a))tR.":                            "a tensor of no storage",
	} {
		_, _, err := unpickle([]byte(text), map[string]kind{})
		require.ErrorIs(t, err, ErrFormat, "%q", text)
		require.ErrorContains(t, err, want, "%q", text)
	}
}

// TestArchive: other ways to write the zip archive than PyTorch's.
func TestArchive(t *testing.T) {
	whole, err := os.ReadFile("testdata/state.pth")
	require.NoError(t, err)
	from, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	require.NoError(t, err)
	again := func(method uint16, order string, but string) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		add := func(name string, r io.Reader) {
			to, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
			require.NoError(t, err)
			_, err = io.Copy(to, r)
			require.NoError(t, err)
		}
		for _, f := range from.File {
			if strings.HasSuffix(f.Name, but) && but != "" {
				continue
			}
			r, err := f.Open()
			require.NoError(t, err)
			add(f.Name, r)
		}
		if order != "" {
			add("state/byteorder", strings.NewReader(order))
		}
		require.NoError(t, w.Close())
		return b.Bytes()
	}
	for what, b := range map[string][]byte{"stored": again(zip.Store, "", ""), "with an order": again(zip.Store, "little", ""), "deflated": again(zip.Deflate, "little", "")} {
		s, err := Parse(b)
		require.NoError(t, err, what)
		x, _ := s.Float32("3.bias")
		require.Equal(t, []float32{-1, -.875}, x.F32(), what)
	}
	for want, b := range map[string][]byte{
		"byte order is \"big\"": again(zip.Store, "big", ""), "without a data.pkl": again(zip.Store, "", "data.pkl"),
		"no storage \"": again(zip.Store, "", "data/0"), "unfolds to": again(zip.Deflate, strings.Repeat("little", 1<<18), ""),
		"the zip archive": []byte("PK\x03\x04and no more"),
	} {
		_, err := Parse(b)
		require.ErrorIs(t, err, ErrFormat, want)
		require.ErrorContains(t, err, want)
	}
}
