"""What the benchmark writes of given figures: no clock here."""

import unittest
from xml.etree import ElementTree

import report

SVG = "{http://www.w3.org/2000/svg}"


def figures(**others):
    minimal = {column.key: 2.0 for column in report.COLUMNS} | {"calls": 0}
    return {"elasticache-resource": {column.key: 3.0 for column in report.COLUMNS}, report.FLOOR: minimal, **others}


class Report(unittest.TestCase):
    def test_each_handler_is_a_multiple_of_the_floor(self):
        rows = dict(report.cells(figures()))
        ratios = dict(zip((column.key for column in report.COLUMNS), rows[f"elasticache-resource / {report.FLOOR}"]))
        self.assertEqual({ratios[key] for key in ("init", "cpu", "memory", "zip")}, {"1.50"})
        self.assertEqual({ratios[key] for key in ("cold", "warm", "calls")}, {""})
        self.assertNotIn(f"{report.FLOOR} / {report.FLOOR}", rows)

    def test_a_bar_is_as_long_as_its_figure(self):
        given = figures(other={column.key: 12.0 for column in report.COLUMNS})
        picture = ElementTree.fromstring(report.svg(given, "a < b"))
        lengths = [float(bar.get("width")) for bar in picture.iter(f"{SVG}rect")][1:]
        self.assertEqual(len(lengths), 3 * len(report.COLUMNS))
        for ours, floor, other in zip(*[iter(lengths)] * 3):
            self.assertAlmostEqual(ours, other / 4, delta=0.1)
            self.assertIn(round(floor), (0, round(other / 6)))
        texts = [text.text for text in picture.iter(f"{SVG}text")]
        self.assertEqual((texts.count("12.0 MiB"), texts[-1]), (1, "a < b"))

    def test_nothing_leaves_the_picture(self):
        picture = ElementTree.fromstring(report.svg(figures(), ""))
        width, height = float(picture.get("width")), float(picture.get("height"))
        for bar in picture.iter(f"{SVG}rect"):
            self.assertLessEqual(float(bar.get("x") or 0) + float(bar.get("width")), width)
            self.assertLessEqual(float(bar.get("y") or 0) + float(bar.get("height")), height)

    def test_only_the_table_of_a_page_is_renewed(self):
        page = f"before\n\n{report.BEGIN}\nyesterday\n{report.END}\nafter\n"
        once = report.insert(page, report.markdown(figures(), "when and where"))
        self.assertTrue(once.startswith("before\n\n") and once.endswith("\nafter\n"))
        self.assertNotIn("yesterday", once)
        self.assertIn("| elasticache-resource | 3.0 |", once)
        self.assertEqual(report.insert(once, report.markdown(figures(), "when and where")), once)


if __name__ == "__main__":
    unittest.main()
