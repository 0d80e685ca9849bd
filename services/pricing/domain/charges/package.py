"""Package: whole packages, rounded up (a package that is begun is paid) or down."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import ClassVar, Literal

from services.pricing.domain.charges.price import PartOfQuantity, QuantityPrice
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.words import Words

PackageRounding = Literal["up", "down"]


@dataclass(frozen=True)
class Package(QuantityPrice):
    """`package_amount` for each whole package of `package_size` (> 0) units."""

    model: ClassVar[str] = "package"

    package_size: Fraction
    package_amount: Fraction
    rounding: PackageRounding = "up"

    def price(self, quantity: Fraction, words: Words) -> list[Step]:
        """Return packages x amount; the division is exact before it is rounded to packages."""
        return self.price_part(PartOfQuantity(Fraction(0), quantity, quantity), words)

    def price_part(self, part: PartOfQuantity, words: Words) -> list[Step]:
        """Return the packages beyond those that the quantity before has begun."""
        packages = whole_packages(part.after, self.package_size, self.rounding)
        packages -= whole_packages(part.before, self.package_size, self.rounding)
        if not part.quantity:
            return []
        description = package_words(part.quantity, packages, self.package_size, words=words)
        amount = packages * self.package_amount
        return [Step(PRICE, f"{description} at {words.money(self.package_amount)}", amount)]


def whole_packages(quantity: Fraction, size: Fraction, rounding: PackageRounding = "up") -> int:
    """Return how many packages a quantity is; a negative quantity mirrors the positive one."""
    rounded = ceil if rounding == "up" else floor
    packages: int = rounded(abs(quantity) / size)
    return -packages if quantity < 0 else packages


def package_words(quantity: Fraction, packages: int, size: Fraction, *, words: Words) -> str:
    """Return "121 units are 13 packages of 10"."""
    count = words.count(Fraction(packages), "package" if abs(packages) == 1 else "packages")
    return f"{words.count(quantity)} are {count} of {words.number(size)}"
