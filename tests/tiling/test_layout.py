import pytest

from i2i import Geometry, UsageError
from i2i.tiling.layout import Box, Layout, smallest_side

MARGIN = Geometry(margin=3, tiling="margin")


def spans(layout, along):
    tiles = [row[0] for row in layout.rows] if along == "height" else list(layout.rows[0])
    ends = ("top", "bottom") if along == "height" else ("left", "right")
    return [tuple((getattr(box, ends[0]), getattr(box, ends[1])) for box in (tile.outer, tile.inner)) for tile in tiles]


@pytest.mark.parametrize("least", [1, 5, 16])
@pytest.mark.parametrize("margin", [0, 1, 3, 9])
@pytest.mark.parametrize("unit", [1, 2, 3, 4, 8])
def test_inner_boxes_cover_the_picture_once_and_outer_ones_reach_beyond_them_by_the_overlap(unit, margin, least):
    geometry = Geometry(multiple_of=unit, min_size=least, margin=margin, tiling="margin")
    smallest = smallest_side(geometry)
    for side in range(smallest, smallest + 30, 3):
        for length in range(1, 120, 7):
            size = geometry.padded(length, 1)
            layout = Layout.of(size, geometry, side)
            reached = 0
            for outer, inner in (rows := spans(layout, "height")):
                assert inner[0] == reached < inner[1]
                reached = inner[1]
                assert 0 <= outer[0] <= inner[0]
                assert inner[1] <= outer[1] <= size[0]
                assert inner[0] - outer[0] >= layout.overlap or outer[0] == 0
                assert outer[1] - inner[1] >= layout.overlap or outer[1] == size[0]
                assert all(place % unit == 0 for place in (*outer, *inner))
                assert least <= outer[1] - outer[0] <= side or len(rows) == 1
            assert reached == size[0]
            assert layout.overlap >= margin
            assert len({outer[1] - outer[0] for outer, _ in rows}) == 1


def test_rows_and_columns_are_cut_alike():
    tall, wide = (Layout.of(size, MARGIN, 40) for size in ((100, 30), (30, 100)))
    assert spans(tall, "height") == spans(wide, "width")
    assert (len(tall.rows), len(tall.rows[0])) == (len(wide.rows[0]), len(wide.rows)) == (3, 1)


def test_tiles_come_row_by_row_and_know_their_place():
    layout = Layout.of((60, 90), MARGIN, 40)
    assert len(layout) == len(list(layout)) == 6
    assert [(tile.row, tile.column) for tile in layout] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_a_picture_no_larger_than_a_tile_is_one():
    (tile,) = Layout.of((40, 7), MARGIN, 40)
    assert tile.outer == tile.inner == Box(0, 0, 40, 7)


def test_as_many_tiles_are_as_small_as_they_can_be():
    layout = Layout.of((100, 40), MARGIN, 90)
    assert len(layout) == 2
    assert layout.outer == (53, 40)  # half of 100 and an overlap


def test_one_pixel_more_than_a_tile_makes_two_of_them():
    assert len(Layout.of((1, 40), MARGIN, 40)) == 1
    assert len(Layout.of((1, 41), MARGIN, 40)) == 2


def test_an_overlap_may_be_asked_for_and_is_rounded_up_to_what_the_network_takes():
    geometry = Geometry(multiple_of=8, margin=87, tiling="statistics")
    assert Layout.of((800, 800), geometry, 256).overlap == 88
    assert Layout.of((800, 800), geometry, 256, overlap=20).overlap == 24
    assert Layout.of((800, 800), geometry, 256, overlap=0).overlap == 0


def test_a_tile_that_would_be_all_overlap_is_refused():
    geometry = Geometry(multiple_of=4, margin=87, tiling="statistics")
    assert smallest_side(geometry) == 180
    message = "tiles of 176 pixels: with an overlap of 88 on each side this model needs at least 180"
    with pytest.raises(UsageError, match=message):
        Layout.of((400, 400), geometry, 176)
    assert Layout.of((400, 400), geometry, 180).outer == (180, 180)
    assert len(Layout.of((160, 160), geometry, 176)) == 1


def test_a_tile_is_no_smaller_than_what_the_network_takes():
    geometry = Geometry(multiple_of=4, min_size=32, tiling="margin")
    assert smallest_side(geometry) == 32
    with pytest.raises(UsageError, match="this model needs at least 32"):
        Layout.of((64, 64), geometry, 31)
    assert {tile.outer.height for tile in Layout.of((36, 36), geometry, 35)} == {32}


def test_a_model_that_sees_no_tiles_is_given_whole_pictures_alone():
    geometry = Geometry(tiling="never")
    assert len(Layout.of((40, 40), geometry, 40)) == 1
    with pytest.raises(UsageError, match="this model looks at a whole picture at once and cannot work in tiles"):
        Layout.of((40, 41), geometry, 40)


def test_a_model_of_one_size_is_given_one_tile_of_it():
    (tile,) = Layout.of((64, 96), Geometry(size=(64, 96)), 10)
    assert tile.outer == Box(0, 0, 64, 96)


def test_a_picture_must_have_been_padded():
    with pytest.raises(ValueError, match="a padded picture of 30×31 pixels would be"):
        Layout.of((30, 31), Geometry(multiple_of=4), 64)


def test_boxes_scale_and_move():
    box = Box(2, 3, 4, 5)
    assert (box.bottom, box.right) == (6, 8)
    assert box.scaled(2) == Box(4, 6, 8, 10)
    assert box.below(Box(1, 1, 9, 9)) == Box(1, 2, 4, 5)


def test_a_tiles_share_lies_where_its_inner_box_is_in_its_outer_one():
    tile = Layout.of((60, 90), MARGIN, 40).rows[1][1]
    assert tile.share == tile.inner.below(tile.outer)
    assert tile.share.top >= 3
    assert tile.share.left >= 3
