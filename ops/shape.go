package ops

var shapeOps = []Desc{
	{KindConvTranspose, "ConvTranspose", func() Op { return new(ConvTranspose) }},
	{KindConcat, "Concat", func() Op { return new(Concat) }},
	{KindSlice, "Slice", func() Op { return new(Slice) }},
	{KindPad, "Pad", func() Op { return new(Pad) }},
	{KindReshape, "Reshape", func() Op { return new(Reshape) }},
	{KindTranspose, "Transpose", func() Op { return new(Transpose) }},
	{KindGather, "Gather", func() Op { return new(Gather) }},
	{KindGatherElements, "GatherElements", func() Op { return new(GatherElements) }},
	{KindScatter, "Scatter", func() Op { return new(Scatter) }},
	{KindResize, "Resize", func() Op { return new(Resize) }},
	{KindDepthToSpace, "DepthToSpace", func() Op { return new(DepthToSpace) }},
	{KindSpaceToDepth, "SpaceToDepth", func() Op { return new(SpaceToDepth) }},
	{KindCol2Im, "Col2Im", func() Op { return new(Col2Im) }},
	{KindIdentity, "Identity", func() Op { return new(Identity) }},
	{KindExpand, "Expand", func() Op { return new(Expand) }},
	{KindTile, "Tile", func() Op { return new(Tile) }},
	{KindOneHot, "OneHot", func() Op { return new(OneHot) }},
}
