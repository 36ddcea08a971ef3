package imageio

import (
	"bytes"
	"encoding/binary"
)

// orientation is how a JPEG's camera was held: Exif's number from 1 to 8, 1
// where the file says nothing that can be made out. What is wrong in it is no
// error: the picture is there all the same.
func orientation(b []byte) int {
	be := binary.BigEndian
	if !bytes.HasPrefix(b, []byte{0xff, 0xd8}) {
		return 1
	}
	for b = b[2:]; len(b) >= 4 && b[0] == 0xff; { // segments: a marker, and a length that counts itself
		n := int(be.Uint16(b[2:])) + 2
		if b[1] == 0xda || n < 4 || n > len(b) { // pixels follow
			break
		}
		if exif, ok := bytes.CutPrefix(b[4:n], []byte("Exif\x00\x00")); ok && b[1] == 0xe1 {
			return exifOrientation(exif)
		}
		b = b[n:]
	}
	return 1
}

// exifOrientation is tag 0x112 of the first directory of a TIFF header: a list
// of 12 bytes each of tag, type, count and value.
func exifOrientation(b []byte) int {
	var order binary.ByteOrder
	switch {
	case len(b) < 8:
		return 1
	case string(b[:4]) == "II*\x00":
		order = binary.LittleEndian
	case string(b[:4]) == "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := order.Uint32(b[4:])
	if uint64(at)+2 > uint64(len(b)) {
		return 1
	}
	b = b[at:]
	n := int(order.Uint16(b))
	for b = b[2:]; n > 0 && len(b) >= 12; n, b = n-1, b[12:] {
		if order.Uint16(b) != 0x112 {
			continue
		}
		if v := int(order.Uint16(b[8:])); order.Uint16(b[2:]) == 3 && order.Uint32(b[4:]) == 1 && v >= 1 && v <= 8 {
			return v
		}
		break
	}
	return 1
}

// upright is m as it was seen through a camera held in this way.
func (m *RGB) upright(orientation int) *RGB {
	if orientation <= 1 || orientation > 8 {
		return m
	}
	out := &RGB{W: m.W, H: m.H, Pix: make([]uint8, len(m.Pix))}
	if orientation >= 5 { // rows become columns
		out.W, out.H = m.H, m.W
	}
	for y := range out.H {
		for x := range out.W {
			var sx, sy int
			switch orientation {
			case 2:
				sx, sy = m.W-1-x, y
			case 3:
				sx, sy = m.W-1-x, m.H-1-y
			case 4:
				sx, sy = x, m.H-1-y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, m.H-1-x
			case 7:
				sx, sy = m.W-1-y, m.H-1-x
			case 8:
				sx, sy = m.W-1-y, x
			}
			copy(out.Pix[3*(y*out.W+x):][:3], m.Pix[3*(sy*m.W+sx):])
		}
	}
	return out
}

// strange names the formats that cameras and browsers write and nothing here
// reads, by what their files begin with.
func strange(b []byte) string {
	if len(b) >= 12 && string(b[4:8]) == "ftyp" {
		switch string(b[8:12]) {
		case "heic", "heix", "hevc", "heim", "heis", "mif1", "msf1":
			return "HEIC"
		case "avif", "avis":
			return "AVIF"
		}
	}
	for name, magic := range map[string]string{"TIFF": "II*\x00", "TIFF (big-endian)": "MM\x00*", "SVG": "<svg", "PDF": "%PDF", "PSD": "8BPS", "JPEG XL": "\x00\x00\x00\x0cJXL ", "JPEG 2000": "\x00\x00\x00\x0cjP  "} {
		if bytes.HasPrefix(b, []byte(magic)) {
			return name
		}
	}
	return ""
}
